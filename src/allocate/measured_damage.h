// allocate/measured_damage.h -- damage curves measured on held-out text, and allocations that use
// it.
#pragma once
#include <cstdint>
#include <vector>

#include "allocate/allocation.h"
#include "allocate/damage.h"

namespace mop {

/// Returns the half layers of a width step whose units have scores, with empty damage: each layer's
/// KV groups, then its neurons. Gains are parameters.
std::vector<HalfLayerCurve> scored_half_layers(const SpreadInput& input);

/// Converts removed units per half layer to the counts of a width step; other units are kept.
WidthCounts width_counts(const ModelConfig& config, const std::vector<HalfLayerCurve>& halves,
                         const std::vector<int64_t>& gone);

/// The inverse: removed units of each half layer.
std::vector<int64_t> units_gone(const std::vector<HalfLayerCurve>& halves,
                                const WidthCounts& counts);

/// Removes as many parameters as `uniform`, up to the smallest pack, with the sizes that `allocate`
/// chooses. The damage of a half layer is the increase of the loss on held-out text (at least 0,
/// made non-decreasing), measured with only that half layer reduced at
/// `WidthOptions::damage_levels` sizes and interpolated linearly.
WidthCounts spread_by_measured_damage(const SpreadInput& input, AllocateCurves allocate);

/// Removes exactly as many parameters as `uniform`, by elitist evolution starting from it. A
/// mutation moves packs between half layers at equal parameters; the four allocations with the
/// lowest loss on held-out text survive. Source: arXiv 2503.09657, section 3.3, with one stage of
/// selection.
WidthCounts evolve_counts(const SpreadInput& input);

}  // namespace mop
