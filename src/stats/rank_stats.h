// stats/rank_stats.h -- statistics of samples that several processes share.
#pragma once
#include <span>
#include <vector>

#include "collectives/collectives.h"
#include "stats/layer_stats.h"

namespace mop {

/// `collect_stats` with the samples split over the ranks: each runs its share, and all get the
/// statistics of the whole, the same to the last bit. With one rank it is `collect_stats`.
std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats, Collectives& ranks,
                                      Progress& progress,
                                      const std::filesystem::path& scratch = {});

}  // namespace mop
