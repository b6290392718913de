// stats/rank_stats.cc
#include "stats/rank_stats.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace mop {
namespace {

TokenSamples share_of(const TokenSamples& samples, const Collectives& ranks) {
  const auto [first, last] = rank_share(static_cast<int64_t>(samples.ids.size()), ranks);
  TokenSamples share;
  share.ids.assign(samples.ids.begin() + first, samples.ids.begin() + last);
  return share;
}

}  // namespace

std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats, Collectives& ranks,
                                      Progress& progress, const std::filesystem::path& scratch) {
  const int64_t kChunk = ForwardOptions().chunk_tokens;
  if (ranks.size() == 1 || stats.empty()) {
    return collect_stats(weights, samples, stats, progress, kChunk, scratch);
  }
  if (samples.ids.empty()) throw bad_input("no calibration samples to gather statistics on");
  const TokenSamples share = share_of(samples, ranks);
  std::vector<LayerStats> own(static_cast<size_t>(weights.model().num_layers()));
  if (!share.ids.empty()) {
    own = collect_stats(weights, share, stats, progress, kChunk, scratch);
  }

  // A rank without samples adds zeros, so that every rank sends the same tensors.
  std::vector<at::Tensor> sums;
  for (size_t layer = 0; layer < own.size(); ++layer) {
    const ModelConfig& config = weights.model().config();
    for (const Stat stat : stats) {
      const int64_t units = stat_row(stat).units(config, config.layers[layer]);
      sums.push_back(own[layer].has(stat) ? own[layer].sums().at(stat).clone()
                                          : at::zeros({units}, at::kDouble));
    }
  }
  ranks.all_reduce(sums);
  std::vector<LayerStats> whole(own.size());
  for (size_t layer = 0, i = 0; layer < whole.size(); ++layer) {
    for (const Stat stat : stats) {
      const int64_t count = count_of(stat_row(stat), samples);
      if (sums[i].numel() > 0) whole[layer].add_sum(stat, sums[i], count);
      ++i;
    }
  }
  return whole;
}

}  // namespace mop
