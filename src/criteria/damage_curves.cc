// criteria/damage_curves.cc
//
// Shape letters: D hidden, K inputs of a projection.
#include "criteria/damage_curves.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "criteria/moment_scores.h"
#include "solve/least_squares.h"
#include "stats/half_layer_moments.h"

namespace mop {
namespace {

at::Tensor on_cpu(const at::Tensor& moment) { return moment.defined() ? moment.cpu() : moment; }

DamageCurve curve_of(const Model& model, const HalfLayerMoments& moments,
                     const CurveSettings& settings) {
  const LayerShape& shape = model.config().layers[static_cast<size_t>(moments.layer)];
  const bool mlp = moments.half == Half::kMlp;
  const int64_t inputs = moments.gram_KK.size(0);
  const double damping =
      settings.damping > 0 ? settings.damping : default_damping(moments.tokens, inputs);
  return eliminate(
      {.gram_KK = moments.gram_KK.cpu(),
       .weights_DK = last_projection(model, moments.layer, moments.half),
       .sensitivity_DD = on_cpu(moments.gradients_DD),
       .unit = mlp ? 1 : shape.group() * shape.head_dim,
       .damping = damping});
}

}  // namespace

std::vector<LayerCurves> damage_curves(const Model& model, const Compute& compute,
                                       const TokenSamples& samples, const CurveSettings& settings,
                                       const std::filesystem::path& scratch, Progress& progress) {
  if (samples.ids.empty()) {
    throw usage_error("damage is predicted from text and there is none")
        .hint("give --calibration FILE");
  }
  std::vector<LayerCurves> curves(model.layers().size());
  const auto visit = [&](const HalfLayerMoments& moments) {
    LayerCurves& layer = curves[static_cast<size_t>(moments.layer)];
    (moments.half == Half::kMlp ? layer.neurons : layer.kv_groups) = curve_of(model, moments, settings);
  };
  walk_half_layer_moments(model, compute, samples, scratch, visit, progress,
                          {.gradients = settings.gradients});
  return curves;
}

}  // namespace mop
