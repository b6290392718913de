// plan/branches/curves.cc
#include "plan/branches/curves.h"

#include "base/error.h"

namespace mop {

CurveSettings read_curve_settings(const Options& options) {
  CurveSettings settings;
  settings.damping = options.number("damping", 0);
  settings.gradients = options.flag("gradients", true);
  if (settings.damping < 0) throw usage_error("damping must not be negative");
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
