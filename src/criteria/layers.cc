// criteria/layers.cc -- scores of whole layers: block influence (ShortGPT), magnitude (Shortened
// LLaMA) and outlier ratio (OWL).
#include <ATen/ATen.h>

#include "criteria/columns.h"
#include "criteria/registry.h"
#include "model/family.h"

namespace mop {
namespace {

const Option<double> kOutlier = {
    .name = "outlier",
    .default_value = 5,
    .range = at_least(0),
    .help = "threshold of outliers, as a multiple of the layer's mean"};

at::Tensor block_influence(const ScoreInput& in) { return in.stats.mean(Stat::kLayerDistance, 1); }

// Only matrices are summed, since norms and biases have other scales.
at::Tensor sum_of_weights(const ScoreInput& in) {
  at::Tensor sum = at::zeros({1}, at::kDouble);
  for (const LayerTensor* tensor : tensors_of_layer(in.config, in.shape)) {
    if (tensor->axes.size() == 2) sum += column_norms(in.weights[tensor->role], 1).sum();
  }
  return sum;
}

// |weight| * ||input|| of the projection that ends a half layer.
at::Tensor output_metric(const ScoreInput& in, Half half) {
  const Role role = half == Half::kMlp ? Role::kDown : Role::kOutput;
  return in.weights[role].to(at::kCPU, at::kDouble).abs() * input_rms(in, half);
}

// One threshold for the layer: the mean over the entries of all its matrices. The metric is
// computed twice, so that one matrix's is in memory at a time.
at::Tensor outlier_share(const ScoreInput& in) {
  std::vector<Half> halves;
  if (in.shape.heads > 0) halves.push_back(Half::kAttention);
  if (in.shape.mlp > 0) halves.push_back(Half::kMlp);
  double sum = 0, all = 0, above = 0;
  for (const Half half : halves) {
    const at::Tensor metric_DK = output_metric(in, half);
    sum += metric_DK.sum().item<double>();
    all += static_cast<double>(metric_DK.numel());
  }
  if (all == 0) return at::zeros({1}, at::kDouble);
  const double threshold = in.options.get(kOutlier) * sum / all;
  for (const Half half : halves) {
    above += static_cast<double>(output_metric(in, half).gt(threshold).sum().item<int64_t>());
  }
  return at::full({1}, above / all, at::kDouble);
}

}  // namespace

Criterion block_influence_layers() {
  return {.name = "block-influence",
          .summary = "1 - cosine of the layer's input and output, mean over tokens",
          .unit = UnitKind::kLayer,
          .needs = {Stat::kLayerDistance},
          .score = block_influence,
          .reads_weights = false,
          .source = "ShortGPT, arXiv 2403.03853, equation 1",
          .deviations = {17, 23}};
}

Criterion magnitude_layers() {
  return {.name = "magnitude-layers",
          .summary = "sum of |weight| over the layer's matrices (control, needs no data)",
          .unit = UnitKind::kLayer,
          .score = sum_of_weights,
          .source = "Shortened LLaMA, arXiv 2402.02834, magnitude",
          .deviations = {23}};
}

Criterion owl_layers() {
  return {.name = "owl-layers",
          .summary = "fraction of outliers: |weight| * norm of the input far above the mean",
          .unit = UnitKind::kLayer,
          .needs = {Stat::kHeadChannelSquare, Stat::kNeuronSquare},
          .score = outlier_share,
          .source = "OWL, arXiv 2310.05175, equation 1",
          .options = {kOutlier},
          .deviations = {25}};
}

}  // namespace mop
