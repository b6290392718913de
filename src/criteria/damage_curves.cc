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

double damping_of(const HalfLayerMoments& moments, const CurveSettings& settings) {
  return damping_or_default(settings.damping, moments.tokens, moments.gram_KK.size(0));
}

// Computes the damage of removing complete halves, which are visited last to first: a half's
// gradients are kept until the preceding half is visited, which determines how much it can
// compensate.
class WholeHalves {
 public:
  WholeHalves(std::vector<LayerCurves>& curves, const CurveSettings& settings)
      : curves_(curves), settings_(settings) {}

  void visit(const HalfLayerMoments& moments) {
    if (moments.next_DK.defined()) {
      LayerCurves& layer = curves_[static_cast<size_t>(next_layer_)];
      (next_half_ == Half::kMlp ? layer.without_mlp : layer.without_attention) =
          damage_taken_over({.added_DD = moments.next_DD.cpu(),
                             .cross_DK = moments.next_DK.cpu(),
                             .gram_KK = moments.gram_KK.cpu(),
                             .sensitivity_DD = gradients_DD_,
                             .damping = damping_of(moments, settings_)});
    }
    next_layer_ = moments.layer;
    next_half_ = moments.half;
    gradients_DD_ = moments.gradients_DD.cpu();
  }

 private:
  std::vector<LayerCurves>& curves_;
  const CurveSettings& settings_;
  int64_t next_layer_ = 0;
  Half next_half_ = Half::kMlp;
  at::Tensor gradients_DD_;  // of the next half
};

at::Tensor on_cpu(const at::Tensor& moment) { return moment.defined() ? moment.cpu() : moment; }

DamageCurve curve_of(const Model& model, const HalfLayerMoments& moments,
                     const CurveSettings& settings) {
  const LayerShape& shape = model.config().layers[static_cast<size_t>(moments.layer)];
  return eliminate({.gram_KK = moments.gram_KK.cpu(),
                    .weights_DK = last_projection(model, moments.layer, moments.half),
                    .sensitivity_DD = on_cpu(moments.gradients_DD),
                    .unit = inputs_of_unit(shape, moments.half),
                    .damping = damping_of(moments, settings)});
}

}  // namespace

std::vector<LayerCurves> damage_curves(const Model& model, const Compute& compute,
                                       const TokenSamples& samples, const CurveSettings& settings,
                                       const std::filesystem::path& scratch, Progress& progress) {
  if (samples.ids.empty()) {
    throw usage_error("damage curves need calibration text").hint("give --calibration FILE");
  }
  std::vector<LayerCurves> curves(model.layers().size());
  const bool halves = settings.halves && settings.gradients;
  WholeHalves whole(curves, settings);
  const auto visit = [&](const HalfLayerMoments& moments) {
    if (halves) whole.visit(moments);
    LayerCurves& layer = curves[static_cast<size_t>(moments.layer)];
    (moments.half == Half::kMlp ? layer.neurons : layer.kv_groups) =
        curve_of(model, moments, settings);
  };
  walk_half_layer_moments(model, compute, samples, scratch, visit, progress,
                          {.gradients = settings.gradients, .look_ahead = halves});
  return curves;
}

}  // namespace mop
