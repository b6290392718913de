// plan/branches/curves.h -- what the branches share that go by predicted damage.
#pragma once
#include "base/options.h"
#include "criteria/damage_curves.h"
#include "structure/unit.h"

namespace mop {

/// `damping` and `gradients` of a branch's section. Throws Error(kUsage) for a negative damping.
CurveSettings read_curve_settings(const Options& options);

/// What a layer's attention or MLP half costs the loss when it goes whole: see
/// `LayerCurves::without_attention`, else the end of its curve. `kind`: kAttention or kMlp.
double damage_of_half(const LayerCurves& curves, UnitKind kind);

}  // namespace mop
