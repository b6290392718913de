// stats/collect.cc -- one streamed pass over the samples that gathers every statistic asked for.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/error.h"
#include "stats/layer_stats.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

Packing pack(const TokenSamples& samples) {
  Packing packing;
  for (const auto& ids : samples.ids) packing.lengths.push_back(static_cast<int64_t>(ids.size()));
  return packing;
}

at::Tensor all_ids(const TokenSamples& samples) {
  std::vector<int64_t> ids_N;
  ids_N.reserve(static_cast<size_t>(samples.tokens()));
  for (const auto& ids : samples.ids) ids_N.insert(ids_N.end(), ids.begin(), ids.end());
  return at::tensor(ids_N, at::kLong);
}

// Gathers the statistics of one pass; what a tap sees becomes sums at once.
class Collector {
 public:
  Collector(WeightLoader& weights, std::span<const Stat> stats)
      : weights_(weights), layers_(static_cast<size_t>(weights.model().num_layers())) {
    for (const Stat stat : stats) rows_.push_back(&stat_row(stat));
  }

  Tap tap(int64_t layer, const Packing& piece) {
    return [this, layer, &piece](Site site, const at::Tensor& value) {
      for (const StatRow* row : rows_) {
        if (row->site == site) add(*row, layer, piece, value);
      }
    };
  }

  // A score that is not a number would rank units at random, so the first layer that has one stops
  // the pass.
  void check(int64_t layer) const {
    for (const auto& [stat, sum_U] : layers_[static_cast<size_t>(layer)].sums()) {
      if (at::isfinite(sum_U).all().item<bool>()) continue;
      throw bad_input("statistic '{}' of layer {} is not finite", stat_row(stat).name, layer)
          .where("model", weights_.model().checkpoint().folder().string())
          .hint(
              "the weights may hold NaN or infinity, or the compute dtype overflows: try --dtype "
              "float32");
    }
  }

  std::vector<LayerStats> take() { return std::move(layers_); }

 private:
  void add(const StatRow& row, int64_t layer, const Packing& piece, const at::Tensor& value) {
    const LayerShape& shape = weights_.model().config().layers[static_cast<size_t>(layer)];
    if (row.units(shape) == 0) return;
    const at::Tensor sums_SU = row.token_sums(value, piece, weights_.layer(layer), shape);
    const at::Tensor lengths_S1 = at::tensor(piece.lengths, at::kDouble).unsqueeze(1);
    layers_[static_cast<size_t>(layer)].add(row.stat, sums_SU / lengths_S1);
  }

  WeightLoader& weights_;
  std::vector<const StatRow*> rows_;
  std::vector<LayerStats> layers_;
};

}  // namespace

std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats, Progress& progress,
                                      int64_t chunk_tokens) {
  Collector collector(weights, stats);
  if (stats.empty()) return collector.take();
  if (samples.ids.empty()) throw bad_input("no calibration samples to gather statistics on");
  const c10::NoGradGuard no_grad;
  const int64_t tokens = samples.tokens();
  progress.begin("gathering statistics", weights.model().num_layers() * tokens);
  ForwardOptions options;
  options.chunk_tokens = chunk_tokens;
  options.tap = [&](int64_t layer, int64_t, const Packing& piece) {
    return collector.tap(layer, piece);
  };
  options.after_layer = [&](int64_t layer) {
    check_stop();
    check_mappings();
    collector.check(layer);
    progress.advance((layer + 1) * tokens);
  };
  run_layers(weights, all_ids(samples), pack(samples), options);
  progress.end();
  return collector.take();
}

}  // namespace mop
