// stats/rank_stats.h -- statistics of samples that are distributed over several processes.
#pragma once
#include <span>
#include <vector>

#include "collectives/collectives.h"
#include "stats/layer_stats.h"

namespace mop {

/// `collect_stats` with the samples split over the ranks: each rank processes its share, and all
/// ranks get the statistics of all samples, bitwise equal. With one rank it is `collect_stats`.
std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats, Collectives& ranks,
                                      Progress& progress,
                                      const std::filesystem::path& scratch = {});

}  // namespace mop
