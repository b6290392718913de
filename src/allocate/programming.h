// allocate/programming.h -- chooses the sizes of all half layers by dynamic programming.
#pragma once
#include <span>
#include <vector>

#include "allocate/damage_sizes.h"

namespace mop {

/// Returns, per half layer, the index in `DamageSizes::all` of its size, such that the total damage
/// is minimal among all choices whose gain is in the window; if there is none, among those with the
/// smallest gain beyond it. States are the possible sums of gains: multiples of the greatest common
/// divisor if all gains are integers, else 2^17 intervals of equal width, within which gains count
/// as equal. If this would need more than 10^9 steps, only sizes one stride apart are considered,
/// and the result may stay below the window; the caller then adds single packs. Source: the
/// knapsack over layers of arXiv 2308.10438.
std::vector<size_t> best_sizes(std::span<const DamageSizes> sizes, const TargetWindow& window);

}  // namespace mop
