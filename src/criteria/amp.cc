// criteria/amp.cc -- activation magnitude (AMP, arXiv 2504.21174): a unit matters as much as the
// mean absolute signal it sends on per token. Shape letters: H query heads, G KV groups, I MLP
// neurons.
#include "criteria/registry.h"

namespace mop {
namespace {

// Query heads that share a KV head live or die together: [H] -> [G].
at::Tensor score_kv_groups(const ScoreInput& in) {
  const at::Tensor heads_H = in.stats.mean(Stat::kHeadOutputL1, in.shape.heads);
  return heads_H.view({in.shape.kv_heads, in.shape.group()}).mean(1);
}

at::Tensor score_neurons(const ScoreInput& in) {
  return in.stats.mean(Stat::kNeuronInputAbs, in.shape.mlp);
}

}  // namespace

Criterion amp_heads() {
  return {"amp-heads",        "mean L1 norm of a KV group's output per token",
          UnitKind::kKvGroup, {Stat::kHeadOutputL1},
          score_kv_groups,    false};
}

Criterion amp_neurons() {
  return {"amp-neurons",     "mean |activation| entering the down projection",
          UnitKind::kNeuron, {Stat::kNeuronInputAbs},
          score_neurons,     false};
}

}  // namespace mop
