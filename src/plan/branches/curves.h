// plan/branches/curves.h -- what the branches share that go by predicted damage.
#pragma once
#include <vector>

#include "base/options.h"
#include "criteria/damage_curves.h"
#include "structure/unit.h"

namespace mop {

/// `damping` and `gradients`.
std::vector<OptionSpec> curve_options();
/// The same of a branch's section.
CurveSettings read_curve_settings(const Options& options);

/// Where damage and its curves are from.
inline constexpr const char* kCurveSource =
    "this project, docs/method.md, Damage; curvature as in LLM Surgeon, arXiv 2312.17244";

/// What a layer's attention or MLP half costs the loss when it goes whole: see
/// `LayerCurves::without_attention`, else the end of its curve. `kind`: kAttention or kMlp.
double damage_of_half(const LayerCurves& curves, UnitKind kind);

}  // namespace mop
