// criteria/mope.cc -- module-wise pruning error (MoPE-CLIP, arXiv 2403.07839): the score of a unit
// is the increase of the model's metric, here the loss, when only that unit is masked.
//
// Shape letters: H query heads, G KV groups, I MLP neurons.
#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "criteria/columns.h"
#include "criteria/registry.h"
#include "tensor/upload.h"

namespace mop {
namespace {

const Option<int64_t> kGroups = {.name = "groups",
                                 .default_value = 8,
                                 .range = at_least(1),
                                 .help = "number of groups of neurons, masked one at a time"};

// A mask that removes the units `gone`, with the dtype and device of `weights`.
at::Tensor mask_without(const at::Tensor& gone, int64_t units, const at::Tensor& weights) {
  const at::Tensor there_U = at::ones({units}, weights.scalar_type()).index_fill_(0, gone, 0);
  return upload(there_U, weights.device());
}

at::Tensor score_heads(const LossInput& in) {
  const at::Tensor scores_G = at::empty({in.shape.kv_heads}, at::kDouble);
  for (int64_t group = 0; group < in.shape.kv_heads; ++group) {
    const at::Tensor gone = at::arange(in.shape.group(), at::kLong) + group * in.shape.group();
    LayerMask mask;
    mask.heads_H = mask_without(gone, in.shape.heads, in.losses.weights()[Role::kOutput]);
    scores_G[group] = mean_loss(in.losses, in.losses.weights(), &mask) - in.losses.unchanged();
  }
  return scores_G;
}

// The saliency that orders neurons: |gradient of a gate|, or, for a tower, where gradients are not
// available, the norm of the neuron's output.
at::Tensor saliency_I(const LossInput& in) {
  if (in.stats.has(Stat::kNeuronGate)) return in.stats.mean(Stat::kNeuronGate, in.shape.mlp).abs();
  return in.stats.mean(Stat::kNeuronSquare, in.shape.mlp).sqrt() *
         column_norms(in.losses.weights()[Role::kDown], 2);
}

// Neurons sorted by saliency are split into groups, each masked as a whole. A neuron's score is the
// group's score divided by its size, plus a term far below the differences between groups that
// orders neurons within a group by saliency.
at::Tensor score_neurons(const LossInput& in) {
  const int64_t wanted = in.options.get(kGroups);
  const int64_t neurons = in.shape.mlp, groups = std::min(wanted, neurons);
  const at::Tensor order_I = saliency_I(in).argsort(/*stable=*/true);
  const at::Tensor scores_I = at::empty({neurons}, at::kDouble);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = group * neurons / groups, end = (group + 1) * neurons / groups;
    const at::Tensor members = order_I.narrow(0, first, end - first);
    LayerMask mask;
    mask.neurons_I = mask_without(members, neurons, in.losses.weights()[Role::kDown]);
    const double lost = mean_loss(in.losses, in.losses.weights(), &mask) - in.losses.unchanged();
    scores_I.index_fill_(0, members, lost / static_cast<double>(end - first));
  }
  const at::Tensor rank_I = at::empty({neurons}, at::kDouble);
  rank_I.index_copy_(0, order_I, at::arange(neurons, at::kDouble) / static_cast<double>(neurons));
  return scores_I + rank_I * (1e-9 * scores_I.abs().max());
}

int64_t losses_of_heads(const Options&, const ModelConfig&, const LayerShape& shape) {
  return shape.kv_heads;
}
int64_t losses_of_neurons(const Options& options, const ModelConfig&, const LayerShape& shape) {
  return std::min(options.get(kGroups), shape.mlp);
}

constexpr const char* kSource = "MoPE-CLIP, arXiv 2403.07839, module-wise pruning error";

}  // namespace

Criterion mope_heads() {
  return {.name = "mope-heads",
          .summary = "increase of the loss when only this KV group is masked",
          .unit = UnitKind::kKvGroup,
          .reads_weights = false,
          .source = kSource,
          .deviations = {33},
          .score_losses = score_heads,
          .num_losses = losses_of_heads};
}

Criterion mope_neurons() {
  return {
      .name = "mope-neurons",
      .summary = "increase of the loss when only a group of neurons of similar saliency is masked",
      .unit = UnitKind::kNeuron,
      .needs = {Stat::kNeuronGate},
      .reads_weights = false,
      .source = kSource,
      .options = {kGroups},
      .deviations = {33},
      .score_losses = score_neurons,
      .needs_of_tower = {Stat::kNeuronSquare},
      .num_losses = losses_of_neurons};
}

}  // namespace mop
