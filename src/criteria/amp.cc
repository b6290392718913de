// criteria/amp.cc -- activation magnitude (AMP, arXiv 2504.21174): the score of a unit is the mean
// over tokens of the magnitude of its output. Shape letters: H query heads, G KV groups, I MLP
// neurons.
#include "criteria/registry.h"

namespace mop {
namespace {

// Query heads that share a KV head are removed together: [H] -> [G].
at::Tensor score_kv_groups(const ScoreInput& in) {
  const at::Tensor heads_H = in.stats.mean(Stat::kHeadOutputL1, in.shape.heads);
  return heads_H.view({in.shape.kv_heads, in.shape.group()}).mean(1);
}

at::Tensor score_neurons(const ScoreInput& in) {
  return in.stats.mean(Stat::kNeuronInputAbs, in.shape.mlp);
}

}  // namespace

Criterion amp_heads() {
  return {.name = "amp-heads",
          .summary = "mean L1 norm of a KV group's output per token",
          .unit = UnitKind::kKvGroup,
          .needs = {Stat::kHeadOutputL1},
          .score = score_kv_groups,
          .reads_weights = false,
          .source = "AMP, arXiv 2504.21174, heads",
          .deviations = {1, 10}};
}

Criterion amp_neurons() {
  return {.name = "amp-neurons",
          .summary = "mean |activation| entering the down projection",
          .unit = UnitKind::kNeuron,
          .needs = {Stat::kNeuronInputAbs},
          .score = score_neurons,
          .reads_weights = false,
          .source = "AMP, arXiv 2504.21174, neurons",
          .deviations = {1, 10}};
}

}  // namespace mop
