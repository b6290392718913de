// criteria/random.cc -- the control that knows nothing: seeded random scores. Option `seed`
// (a run's own seed unless it is set).
#include "base/random.h"

#include <ATen/ops/empty.h>

#include "criteria/registry.h"

namespace mop {
namespace {

// Streams of the kinds of units and of all layers are independent.
template <UnitKind kUnit>
at::Tensor draw(const ScoreInput& in) {
  const auto seed = static_cast<uint64_t>(in.options.integer("seed", 0));
  constexpr uint64_t kStream = kUnit == UnitKind::kNeuron  ? 1
                               : kUnit == UnitKind::kLayer ? 1 << 20
                                                           : 0;
  Random random(seed, 2 * static_cast<uint64_t>(in.layer) + kStream);
  const at::Tensor scores_U = at::empty({num_units(kUnit, in.shape)}, at::kDouble);
  double* score = scores_U.data_ptr<double>();
  for (int64_t i = 0; i < scores_U.numel(); ++i) score[i] = random.uniform();
  return scores_U;
}

}  // namespace

Criterion random_heads() {
  return {"random-heads",
          "seeded random scores of KV groups (control)",
          UnitKind::kKvGroup,
          {},
          draw<UnitKind::kKvGroup>,
          false,
          true};
}

Criterion random_neurons() {
  return {"random-neurons",
          "seeded random scores of neurons (control)",
          UnitKind::kNeuron,
          {},
          draw<UnitKind::kNeuron>,
          false,
          true};
}

Criterion random_layers() {
  return {.name = "random-layers",
          .summary = "seeded random scores of layers (control)",
          .unit = UnitKind::kLayer,
          .score = draw<UnitKind::kLayer>,
          .reads_weights = false,
          .draws = true};
}

}  // namespace mop
