// stats/collect.cc -- one streamed pass over the samples that gathers all requested statistics.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "stats/gate_gradients.h"
#include "stats/layer_stats.h"
#include "stats/packed_samples.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Gathers the statistics of a pass; activations are summed as they are seen. On the CPU sums go to
// `layers_` piece by piece; on a device they are accumulated in one tensor until `finish`.
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
  bool looks() const {
    return std::ranges::any_of(rows_, [](const StatRow* row) { return row->add != nullptr; });
  }

  Tap tap(int64_t layer, const Packing& piece) {
    // The input is copied because a layer may overwrite it.
    const bool keeps = std::ranges::any_of(rows_, [](const StatRow* r) { return r->reads_input; });
    return [this, layer, &piece, keeps, input_ND = at::Tensor()](Site site,
                                                                 const at::Tensor& value) mutable {
      if (keeps && site == Site::kLayerInput) input_ND = value.clone();
      for (const StatRow* row : rows_) {
        if (row->site == site && row->add != nullptr) add(*row, layer, piece, value, input_ND);
      }
    };
  }

  // Prompts of one token have no loss, so their gradient is 0 and the backward pass skips them.
  void begin_gates(const TokenSamples& samples) {
    for_sums([&](int64_t layer, const StatRow& row, int64_t units) {
      if (row.add_gates == nullptr) return;
      add_sum(row, layer, at::zeros({units}, at::kDouble), std::ssize(samples.ids));
    });
  }

  // Adds gradients with respect to gates on the units of a half layer, one row per sequence of a
  // piece.
  void add_gates(int64_t layer, Site site, const at::Tensor& gates_SU) {
    for (const StatRow* row : rows_) {
      if (row->site != site || row->add_gates == nullptr) continue;
      add_sum(*row, layer, row->add_gates(gates_SU), 0);
    }
  }

  // A non-finite statistic would rank units arbitrarily, so the first layer with one ends the pass;
  // on a device at its end.
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

  // Returns the statistics of these samples. One download, which synchronises.
  std::vector<LayerStats> finish(const TokenSamples& samples) {
    if (!on_device()) return std::move(layers_);
    const at::Tensor sums = sums_.cpu();
    int64_t first = 0;
    for_sums([&](int64_t layer, const StatRow& row, int64_t units) {
      layers_[static_cast<size_t>(layer)].add_sum(row.stat, sums.narrow(0, first, units),
                                                  count_of(row, samples));
      first += units;
    });
    for (int64_t layer = 0; layer < weights_.model().num_layers(); ++layer) check(layer);
    return std::move(layers_);
  }

 private:
  const LayerShape& shape_of(int64_t layer) const {
    return weights_.model().config().layers[static_cast<size_t>(layer)];
  }

  // Calls use(layer, row, units) for each gathered statistic.
  template <typename Use>
  void for_sums(Use use) const {
    for (int64_t layer = 0; layer < weights_.model().num_layers(); ++layer) {
      for (const StatRow* row : rows_) {
        const int64_t units = row->units(weights_.model().config(), shape_of(layer));
        if (units > 0) use(layer, *row, units);
      }
    }
  }

  void add(const StatRow& row, int64_t layer, const Packing& piece, const at::Tensor& value_NX,
           const at::Tensor& input_ND) {
    const LayerShape& shape = shape_of(layer);
    const int64_t units = row.units(weights_.model().config(), shape);
    if (units == 0) return;
    const StatInput input{value_NX, input_ND, piece, weights_.layer(layer), shape};
    if (on_device()) {
      row.add(input, sums_U_.at({layer, &row}));
    } else {
      add_to_stats(row, weights_.model().config(), input, layers_[static_cast<size_t>(layer)]);
    }
  }

  void add_sum(const StatRow& row, int64_t layer, const at::Tensor& sum_U, int64_t count) {
    if (on_device()) {
      if (count == 0) sums_U_.at({layer, &row}).add_(sum_U);  // on a device `finish` counts
    } else {
      layers_[static_cast<size_t>(layer)].add_sum(row.stat, sum_U, count);
    }
  }

  WeightLoader& weights_;
  std::vector<const StatRow*> rows_;
  std::vector<LayerStats> layers_;
  at::Tensor sums_;  // on a device: all sums, float64
  std::map<std::pair<int64_t, const StatRow*>, at::Tensor> sums_U_;  // views of sums_
};

void run_forward(Collector& collector, WeightLoader& weights, const TokenSamples& samples,
                 Progress& progress, int64_t chunk_tokens) {
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
  progress.end();
}

}  // namespace

void add_to_stats(const StatRow& row, const ModelConfig& config, const StatInput& input,
                  LayerStats& stats) {
  const at::Device device = input.value_NX.device();
  if (device.is_cpu() && row.token_sums != nullptr) {
    const at::Tensor lengths_S1 = at::tensor(input.piece.lengths, at::kDouble).unsqueeze(1);
    stats.add(row.stat, row.token_sums(input) / lengths_S1);
    return;
  }
  const at::Tensor sums_U =
      at::zeros({row.units(config, input.shape)}, at::TensorOptions(device).dtype(at::kDouble));
  row.add(input, sums_U);
  stats.add_sum(
      row.stat, sums_U.cpu(),
      row.weighting == Weighting::kTokens ? input.piece.tokens() : std::ssize(input.piece.lengths));
}

int64_t count_of(const StatRow& row, const TokenSamples& samples) {
  return row.weighting == Weighting::kTokens ? samples.tokens() : std::ssize(samples.ids);
}

std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats, Progress& progress,
                                      int64_t chunk_tokens, const std::filesystem::path& scratch) {
  Collector collector(weights, stats);
  if (stats.empty()) return collector.finish(samples);
  if (samples.ids.empty()) throw bad_input("no calibration samples to gather statistics on");
  const c10::NoGradGuard no_grad;
  if (collector.looks()) run_forward(collector, weights, samples, progress, chunk_tokens);
  if (need_gradients(stats)) {
    collector.begin_gates(samples);
    GateWalk walk;
    walk.chunk_tokens = chunk_tokens;
    walk.scratch = scratch;
    walk.add = [&](int64_t layer, Site site, const at::Tensor& gates_SU) {
      collector.add_gates(layer, site, gates_SU);
    };
    walk.after_layer = [&](int64_t layer) {
      if (!collector.on_device()) collector.check(layer);
    };
    walk_gates(weights.model(), weights.compute(), samples, walk, progress);
  }
  return collector.finish(samples);
}

}  // namespace mop
