// allocate/programming.h -- sizes of all half layers at once, by dynamic programming.
#pragma once
#include <span>
#include <vector>

#include "allocate/damage_sizes.h"

namespace mop {

/// For every half layer the index in `DamageSizes::all` of its size, so that the sum of damages is
/// the least of all choices whose gain lies in the window; where none does, of those of the
/// smallest gain beyond it. The states are the gains that sums can have: as many as the greatest
/// common divisor of all gains allows where they are whole numbers, else 2^17 of equal width, and
/// gains that share one count as equal. Where that takes more than 10^9 steps, sizes that are a
/// stride apart alone are chosen from, and the result may stay below the window: single packs are
/// the caller's to add. Source: the knapsack over layers of arXiv 2308.10438.
std::vector<size_t> best_sizes(std::span<const DamageSizes> sizes, const TargetWindow& window);

}  // namespace mop
