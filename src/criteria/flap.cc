// criteria/flap.cc -- FLAP (AAAI 2024, arXiv 2312.11983): a channel with little variance can be
// replaced by a constant, so its score is its variance times the squared norm of its weights
// (WIFV). Scores are standardised within a layer, so that one threshold applies to all layers and
// both kinds of units. Shape letters: K channels.
#include <ATen/ATen.h>

#include "criteria/columns.h"
#include "criteria/registry.h"

namespace mop {
namespace {

const Option<bool> kStandardize = {.name = "standardize",
                                   .default_value = true,
                                   .help = "standardise channels within the layer (z-scores)"};

at::Tensor wifv_K(const at::Tensor& mean_K, const at::Tensor& square_K, const at::Tensor& weight) {
  return (square_K - mean_K.square()).clamp_min(0) * column_norms(weight, 2).square();
}

at::Tensor standardized(const ScoreInput& in, const at::Tensor& metric_K) {
  if (!in.options.get(kStandardize)) return metric_K;
  const at::Tensor from_mean_K = metric_K - metric_K.mean();
  if (metric_K.numel() < 2) return from_mean_K;
  return from_mean_K / metric_K.std().clamp_min(1e-300);
}

// As in the authors' code, the metric of attention's channels is squared; a head's score is the
// mean over its channels.
at::Tensor score_heads(const ScoreInput& in) {
  const int64_t channels = in.shape.heads * in.shape.head_dim;
  const at::Tensor metric_K =
      wifv_K(in.stats.mean(Stat::kHeadChannelMean, channels),
             in.stats.mean(Stat::kHeadChannelSquare, channels), in.weights[Role::kOutput])
          .square();
  return by_group(standardized(in, metric_K), in.shape).mean(1);
}

at::Tensor score_neurons(const ScoreInput& in) {
  return standardized(
      in, wifv_K(in.stats.mean(Stat::kNeuronMean, in.shape.mlp),
                 in.stats.mean(Stat::kNeuronSquare, in.shape.mlp), in.weights[Role::kDown]));
}

constexpr const char* kSource = "FLAP, arXiv 2312.11983, WIFV";

}  // namespace

Criterion flap_heads() {
  return {.name = "flap-heads",
          .summary = "variance of a KV group's channels * square of their weights, as z-scores",
          .unit = UnitKind::kKvGroup,
          .needs = {Stat::kHeadChannelMean, Stat::kHeadChannelSquare},
          .score = score_heads,
          .source = kSource,
          .options = {kStandardize},
          .deviations = {17, 18, 19}};
}

Criterion flap_neurons() {
  return {.name = "flap-neurons",
          .summary = "variance of the activation * square of the neuron's column, as z-scores",
          .unit = UnitKind::kNeuron,
          .needs = {Stat::kNeuronMean, Stat::kNeuronSquare},
          .score = score_neurons,
          .source = kSource,
          .options = {kStandardize},
          .deviations = {17, 19}};
}

}  // namespace mop
