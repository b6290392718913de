// plan/branches/curves.h -- shared by branches that use damage curves.
#pragma once
#include <vector>

#include "base/options.h"
#include "criteria/damage_curves.h"
#include "structure/unit.h"

namespace mop {

/// The options `damping` and `gradients`.
std::vector<OptionSpec> curve_options();
/// Reads them from a branch's section.
CurveSettings read_curve_settings(const Options& options);

/// Source of damage curves.
inline constexpr const char* kCurveSource =
    "this project, docs/method.md, Damage; curvature as in LLM Surgeon, arXiv 2312.17244";

/// Returns the damage of removing a layer's attention or MLP half: `LayerCurves::without_attention`
/// or `without_mlp` if set, else the end of the curve. `kind`: kAttention or kMlp.
double damage_of_half(const LayerCurves& curves, UnitKind kind);

}  // namespace mop
