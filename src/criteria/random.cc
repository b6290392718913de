// criteria/random.cc -- control: seeded random scores.
#include "base/random.h"

#include <ATen/ops/empty.h>

#include "criteria/registry.h"

namespace mop {
namespace {

const Option<int64_t> kSeed = {
    .name = "seed", .unset = "the run's seed", .help = "seed of the random scores"};
constexpr const char* kSource = "a control";

// Kinds of units and layers use independent random streams.
template <UnitKind kUnit>
at::Tensor draw(const ScoreInput& in) {
  const auto seed = static_cast<uint64_t>(in.options.get(kSeed, 0));
  constexpr uint64_t kStream = kUnit == UnitKind::kNeuron    ? 1
                               : kUnit == UnitKind::kLayer   ? 1 << 20
                               : kUnit == UnitKind::kChannel ? 1 << 21
                                                             : 0;
  Random random(seed, 2 * static_cast<uint64_t>(in.layer) + kStream);
  const at::Tensor scores_U = at::empty({num_units(kUnit, in.config, in.shape)}, at::kDouble);
  double* score = scores_U.data_ptr<double>();
  for (int64_t i = 0; i < scores_U.numel(); ++i) score[i] = random.uniform();
  return scores_U;
}

}  // namespace

Criterion random_heads() {
  return {.name = "random-heads",
          .summary = "seeded random scores of KV groups (control)",
          .unit = UnitKind::kKvGroup,
          .score = draw<UnitKind::kKvGroup>,
          .reads_weights = false,
          .draws = true,
          .source = kSource,
          .options = {kSeed}};
}

Criterion random_neurons() {
  return {.name = "random-neurons",
          .summary = "seeded random scores of neurons (control)",
          .unit = UnitKind::kNeuron,
          .score = draw<UnitKind::kNeuron>,
          .reads_weights = false,
          .draws = true,
          .source = kSource,
          .options = {kSeed}};
}

Criterion random_layers() {
  return {.name = "random-layers",
          .summary = "seeded random scores of layers (control)",
          .unit = UnitKind::kLayer,
          .score = draw<UnitKind::kLayer>,
          .reads_weights = false,
          .draws = true,
          .source = kSource,
          .options = {kSeed}};
}

Criterion random_hidden() {
  return {.name = "random-hidden",
          .summary = "seeded random scores of hidden channels (control)",
          .unit = UnitKind::kChannel,
          .score = draw<UnitKind::kChannel>,
          .reads_weights = false,
          .draws = true,
          .source = kSource,
          .options = {kSeed}};
}

}  // namespace mop
