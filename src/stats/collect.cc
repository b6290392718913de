// stats/collect.cc -- one streamed pass over the samples that gathers every statistic asked for.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <map>

#include "base/error.h"
#include "stats/layer_stats.h"
#include "stats/packed_samples.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Gathers the statistics of one pass; what a tap sees becomes sums at once. On the CPU they go into
// `layers_` piece by piece; on a device they are added up in one tensor there until `finish`.
class Collector {
 public:
  Collector(WeightLoader& weights, std::span<const Stat> stats)
      : weights_(weights), layers_(static_cast<size_t>(weights.model().num_layers())) {
    for (const Stat stat : stats) rows_.push_back(&stat_row(stat));
    if (!on_device()) return;
    int64_t all = 0;
    for_sums([&](int64_t, const StatRow&, int64_t units) { all += units; });
    sums_ = at::zeros({all}, at::TensorOptions(weights.compute().device).dtype(at::kDouble));
    int64_t first = 0;
    for_sums([&](int64_t layer, const StatRow& row, int64_t units) {
      sums_U_[{layer, &row}] = sums_.narrow(0, first, units);
      first += units;
    });
  }

  bool on_device() const { return !weights_.compute().device.is_cpu(); }

  Tap tap(int64_t layer, const Packing& piece) {
    return [this, layer, &piece](Site site, const at::Tensor& value) {
      for (const StatRow* row : rows_) {
        if (row->site == site) add(*row, layer, piece, value);
      }
    };
  }

  // A score that is not a number would rank units at random, so the first layer that has one stops
  // the pass, on a device at its end.
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

  // Of `prompts` samples. One download, which waits for the device.
  std::vector<LayerStats> finish(int64_t prompts) {
    if (!on_device()) return std::move(layers_);
    const at::Tensor sums = sums_.cpu();
    int64_t first = 0;
    for_sums([&](int64_t layer, const StatRow& row, int64_t units) {
      layers_[static_cast<size_t>(layer)].add_sum(row.stat, sums.narrow(0, first, units), prompts);
      first += units;
    });
    for (int64_t layer = 0; layer < weights_.model().num_layers(); ++layer) check(layer);
    return std::move(layers_);
  }

 private:
  const LayerShape& shape_of(int64_t layer) const {
    return weights_.model().config().layers[static_cast<size_t>(layer)];
  }

  // Calls use(layer, row, units) for all that is gathered.
  template <typename Use>
  void for_sums(Use use) const {
    for (int64_t layer = 0; layer < weights_.model().num_layers(); ++layer) {
      for (const StatRow* row : rows_) {
        const int64_t units = row->units(shape_of(layer));
        if (units > 0) use(layer, *row, units);
      }
    }
  }

  void add(const StatRow& row, int64_t layer, const Packing& piece, const at::Tensor& value) {
    const LayerShape& shape = shape_of(layer);
    if (row.units(shape) == 0) return;
    const LayerWeights& weights = weights_.layer(layer);
    if (on_device()) {
      row.add_on_device(value, piece, weights, shape, sums_U_.at({layer, &row}));
      return;
    }
    const at::Tensor sums_SU = row.token_sums(value, piece, weights, shape);
    const at::Tensor lengths_S1 = at::tensor(piece.lengths, at::kDouble).unsqueeze(1);
    layers_[static_cast<size_t>(layer)].add(row.stat, sums_SU / lengths_S1);
  }

  WeightLoader& weights_;
  std::vector<const StatRow*> rows_;
  std::vector<LayerStats> layers_;
  at::Tensor sums_;  // of a device: everything, float64
  std::map<std::pair<int64_t, const StatRow*>, at::Tensor> sums_U_;  // views of it
};

}  // namespace

std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats, Progress& progress,
                                      int64_t chunk_tokens) {
  Collector collector(weights, stats);
  if (stats.empty()) return collector.finish(0);
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
    if (!collector.on_device()) collector.check(layer);
    progress.advance((layer + 1) * tokens);
  };
  const PackedSamples packed = pack(samples, collector.on_device());
  run_layers(weights, packed.ids_N, packed.packing, options);
  auto layers = collector.finish(static_cast<int64_t>(samples.ids.size()));
  progress.end();
  return layers;
}

}  // namespace mop
