// criteria/minitron.cc -- Minitron (arXiv 2407.14679, section 2.2): the mean |activation| of each
// prompt, then the L2 norm over prompts; for heads also over their channels.
#include <ATen/ATen.h>

#include "criteria/columns.h"
#include "criteria/registry.h"

namespace mop {
namespace {

at::Tensor score_heads(const ScoreInput& in) {
  const at::Tensor responses_K =
      in.stats.mean(Stat::kHeadChannelResponse, in.shape.heads * in.shape.head_dim);
  return by_group(responses_K, in.shape).sum(1).sqrt();
}

at::Tensor score_neurons(const ScoreInput& in) {
  return in.stats.mean(Stat::kNeuronResponse, in.shape.mlp).sqrt();
}

// Sum over both norms of the layer; the branch sums over layers.
at::Tensor score_channels(const ScoreInput& in) {
  at::Tensor sum_D = at::zeros({in.config.hidden}, at::kDouble);
  if (in.shape.heads > 0)
    sum_D += in.stats.mean(Stat::kAttentionChannelResponse, in.config.hidden).sqrt();
  if (in.shape.mlp > 0) sum_D += in.stats.mean(Stat::kMlpChannelResponse, in.config.hidden).sqrt();
  return sum_D;
}

constexpr const char* kSource = "Minitron, arXiv 2407.14679, section 2.2";

}  // namespace

Criterion minitron_heads() {
  return {.name = "minitron-heads",
          .summary = "L2 norm over prompts and a KV group's channels of the mean |value|",
          .unit = UnitKind::kKvGroup,
          .needs = {Stat::kHeadChannelResponse},
          .score = score_heads,
          .reads_weights = false,
          .source = kSource,
          .deviations = {17, 18}};
}

Criterion minitron_neurons() {
  return {.name = "minitron-neurons",
          .summary = "L2 norm over prompts of the neuron's mean |activation|",
          .unit = UnitKind::kNeuron,
          .needs = {Stat::kNeuronResponse},
          .score = score_neurons,
          .reads_weights = false,
          .source = kSource,
          .deviations = {17}};
}

Criterion minitron_hidden() {
  return {.name = "minitron-hidden",
          .summary =
              "L2 norm over prompts of the channel's mean |value|, for the outputs of both norms",
          .unit = UnitKind::kChannel,
          .needs = {Stat::kAttentionChannelResponse, Stat::kMlpChannelResponse},
          .score = score_channels,
          .reads_weights = false,
          .source = kSource,
          .deviations = {17}};
}

}  // namespace mop
