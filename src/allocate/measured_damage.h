// allocate/measured_damage.h -- what the half layers' units cost on held-out text, and allocations
// by it.
#pragma once
#include <cstdint>
#include <vector>

#include "allocate/allocation.h"
#include "allocate/damage.h"

namespace mop {

/// The half layers of a width step whose units have scores, without damages: each layer's KV groups
/// before its neurons. Gains are parameters.
std::vector<HalfLayerCurve> scored_half_layers(const SpreadInput& input);

/// Units that go from these half layers, as a width step counts them; nothing else goes.
WidthCounts width_counts(const ModelConfig& config, const std::vector<HalfLayerCurve>& halves,
                         const std::vector<int64_t>& gone);

/// The other way: units of each half layer that `counts` lets go.
std::vector<int64_t> units_gone(const std::vector<HalfLayerCurve>& halves,
                                const WidthCounts& counts);

/// As many parameters as `uniform`, to the smallest pack, where `allocate` finds the least damage:
/// each half layer alone at `WidthOptions::damage_levels` sizes is judged on held-out text, its
/// damage is what the loss rises by (never below 0, never falling), linear between two sizes.
WidthCounts spread_by_measured_damage(const SpreadInput& input, AllocateCurves allocate);

/// As many parameters as `uniform`, exactly: elitist evolution from `uniform` on. A mutation trades
/// packs of one half layer for as many parameters of another, the four allocations of the lowest
/// loss on held-out text stay. Source: arXiv 2503.09657, section 3.3, with one stage of selection.
WidthCounts evolve_counts(const SpreadInput& input);

}  // namespace mop
