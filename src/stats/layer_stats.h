// stats/layer_stats.h -- what one pass over the calibration samples gathers, and how it is merged.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "model/forward.h"
#include "text/samples.h"

namespace mop {

/// The statistics we know how to gather. One row each in `all_statistics()`.
enum class Stat {
  kHeadOutputL1,   ///< per query head: ||W_o[:, head] x_head||_1 (AMP, arXiv 2504.21174)
  kNeuronInputAbs  ///< per neuron: |x_j| entering down_proj (AMP)
};

/// A statistic: where to look, and what to add up for every token.
struct StatRow {
  Stat stat;
  std::string_view name;  ///< as in stats.safetensors: "head-output-l1"
  Site site;
  /// activation_NX of a piece of whole sequences on the CPU -> sums over each sequence's tokens,
  /// [sequences, units] float64.
  at::Tensor (*token_sums)(const at::Tensor& activation_NX, const Packing& piece,
                           const LayerWeights& weights, const LayerShape& shape);
  /// The same on a device, which is not waited for: adds the sum over sequences of their means over
  /// tokens to sums_U, float64 there.
  void (*add_on_device)(const at::Tensor& activation_NX, const Packing& piece,
                        const LayerWeights& weights, const LayerShape& shape,
                        const at::Tensor& sums_U);
  int64_t (*units)(const LayerShape& shape);
};
std::span<const StatRow> all_statistics();
const StatRow& stat_row(Stat stat);

/// The statistics of one layer. Values are sums over prompts of per-prompt token means, so that
/// every prompt counts once however long it is; dividing by `prompts` gives the score.
class LayerStats {
 public:
  /// prompt_means_SU: a row per prompt.
  void add(Stat stat, const at::Tensor& prompt_means_SU);
  /// Adds what was already summed over `prompts` prompts. Throws Error(kBadInput) on other numbers
  /// of units.
  void add_sum(Stat stat, const at::Tensor& sum_U, int64_t prompts);
  void merge(const LayerStats& other);
  bool has(Stat stat) const { return sums_.contains(stat); }
  /// Mean over prompts, [units] float64 CPU. Throws Error(kBadInput) when it was not gathered or
  /// when it covers another number of units than `units`.
  at::Tensor mean(Stat stat, int64_t units) const;
  int64_t prompts(Stat stat) const;
  const std::map<Stat, at::Tensor>& sums() const { return sums_; }

 private:
  std::map<Stat, at::Tensor> sums_;
  std::map<Stat, int64_t> prompts_;
};

/// One forward pass over `samples` that gathers all `stats` of all layers. Layers are streamed;
/// samples are packed into large matrix products. Padding does not exist. Invariant to
/// `chunk_tokens`, 0 = `piece_tokens`. Empty `stats`: nothing is run. On a device everything is
/// added up there and downloaded once, at the end. Throws Error(kBadInput) naming the layer whose
/// statistics are not finite.
std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats,
                                      Progress& progress = silent_progress(),
                                      int64_t chunk_tokens = ForwardOptions().chunk_tokens);

/// stats.safetensors: "{name}.{layer}" holds the means, float64 [units]; the metadata say of how
/// many prompts.
void write_stats(const std::filesystem::path& path, std::span<const LayerStats> layers);
/// Throws Error(kBadInput) for a file that holds anything else.
std::vector<LayerStats> read_stats(const std::filesystem::path& path);

}  // namespace mop
