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

struct Outliers {
  double above = 0, all = 0;
};

// Counts the |weight| * ||input|| of a projection that exceed `times` their mean.
Outliers count_outliers(const at::Tensor& weight_DK, const at::Tensor& rms_K, double times) {
  const at::Tensor metric_DK = weight_DK.to(at::kCPU, at::kDouble).abs() * rms_K;
  const at::Tensor above = metric_DK.gt(metric_DK.mean() * times);
  return {static_cast<double>(above.sum().item<int64_t>()), static_cast<double>(above.numel())};
}

at::Tensor outlier_share(const ScoreInput& in) {
  const double times = in.options.get(kOutlier);
  Outliers sum;
  const auto add = [&](Role role, Half half) {
    const Outliers more = count_outliers(in.weights[role], input_rms(in, half), times);
    sum.above += more.above;
    sum.all += more.all;
  };
  if (in.shape.heads > 0) add(Role::kOutput, Half::kAttention);
  if (in.shape.mlp > 0) add(Role::kDown, Half::kMlp);
  return at::full({1}, sum.all > 0 ? sum.above / sum.all : 0.0, at::kDouble);
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
