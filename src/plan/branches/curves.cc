// plan/branches/curves.cc
#include "plan/branches/curves.h"

#include "criteria/moment_scores.h"

namespace mop {
namespace {

const Option<bool> kGradients = {
    .name = "gradients",
    .default_value = true,
    .help = "weight errors by the gradient of the loss; false: no backward pass"};

}  // namespace

std::vector<OptionSpec> curve_options() { return {kDamping, kGradients}; }

CurveSettings read_curve_settings(const Options& options) {
  CurveSettings settings;
  settings.damping = options.get(kDamping);
  settings.gradients = options.get(kGradients);
  return settings;
}

double damage_of_half(const LayerCurves& curves, UnitKind kind) {
  const bool attention = kind == UnitKind::kAttention;
  const auto& taken_over = attention ? curves.without_attention : curves.without_mlp;
  if (taken_over) return *taken_over;
  const DamageCurve& curve = attention ? curves.kv_groups : curves.neurons;
  return curve.damage.empty() ? 0 : curve.damage.back();
}

}  // namespace mop
