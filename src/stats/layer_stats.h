// stats/layer_stats.h -- statistics gathered in one pass over the calibration samples, and how they
// are merged.
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

/// The available statistics; each has a row in `all_statistics()`.
enum class Stat {
  kHeadOutputL1,         ///< per query head: ||W_o[:, head] x_head||_1 (AMP, arXiv 2504.21174)
  kNeuronInputAbs,       ///< per neuron: |x_j| entering down_proj (AMP)
  kHeadChannelMean,      ///< per channel of every head: x_j entering o_proj
  kHeadChannelSquare,    ///< the same: x_j^2
  kNeuronMean,           ///< per neuron: x_j entering down_proj
  kNeuronSquare,         ///< the same: x_j^2
  kGroupOutputSquare,    ///< per KV group: ||W_o[:, group] x_group||^2
  kHeadChannelResponse,  ///< per channel of every head: (mean over the prompt's tokens of |x_j|)^2
  kNeuronResponse,       ///< per neuron: the same, entering down_proj
  kLayerAngle,  ///< between the layer's input and output: arccos(cos) / pi (CFSP, arXiv 2409.13199)
  kLayerDistance,  ///< between the layer's input and output: 1 - cos (ShortGPT, arXiv 2403.03853)
  kGroupGate,  ///< per KV group: gradient of a prompt's loss with respect to a gate on its output
  kGroupGateSquare,   ///< its square
  kNeuronGate,        ///< per neuron: gradient of a prompt's loss with respect to a gate on its
                      ///< activation
  kNeuronGateSquare,  ///< its square
  kAttentionChannelResponse,  ///< per hidden channel: (mean over the prompt's tokens of |x_d|)^2,
                              ///< entering q, k and v
  kAttentionChannelSquare,    ///< the same: x_d^2
  kMlpChannelResponse,        ///< the same two for inputs of gate and up
  kMlpChannelSquare
};

/// Whether a statistic is a mean over prompts, each counting equally whatever its length, or over
/// tokens.
enum class Weighting { kPrompts, kTokens };

/// Input of a statistic for a piece of complete sequences.
struct StatInput {
  const at::Tensor& value_NX;  ///< the activation at the row's site
  const at::Tensor& input_ND;  ///< the layer's input; undefined unless the row reads it
  const Packing& piece;
  const LayerWeights& weights;
  const LayerShape& shape;
};

/// A row of the table: the site that a statistic reads and how it is summed.
struct StatRow {
  Stat stat;
  std::string_view name;  ///< as in stats.safetensors: "head-output-l1"
  std::string_view summary;
  Weighting weighting = Weighting::kPrompts;
  Site site = Site::kLayerOutput;
  bool reads_input = false;  ///< whether it also reads the layer's input
  /// Adds the piece's tokens, or its prompts' means over tokens, to sums_U: float64, on the
  /// activation's device. Does not synchronise.
  void (*add)(const StatInput& input, const at::Tensor& sums_U) = nullptr;
  /// A faster implementation on the CPU for statistics over prompts: sums over each sequence's
  /// tokens, [sequences, units] float64. Null = use `add`.
  at::Tensor (*token_sums)(const StatInput& input) = nullptr;
  /// For statistics of the backward pass, instead of `add`: gradients with respect to gates on the
  /// units of a half layer, [prompts, units] float64 -> the sum over prompts, [units].
  at::Tensor (*add_gates)(const at::Tensor& gates_SU) = nullptr;
  int64_t (*units)(const ModelConfig& config, const LayerShape& shape) = nullptr;
  std::string_view source = {};  ///< the paper that defines or first uses it
};
std::span<const StatRow> all_statistics();
const StatRow& stat_row(Stat stat);
/// Returns the number of prompts or tokens over which a statistic of these samples is a mean.
int64_t count_of(const StatRow& row, const TokenSamples& samples);
/// Whether any of the statistics needs a backward pass.
bool need_gradients(std::span<const Stat> stats);

/// The statistics of one layer. Stores sums over prompts (of means over tokens, for statistics with
/// a value per token) or over tokens, according to the row's weighting; divided by `count` they are
/// means.
class LayerStats {
 public:
  /// prompt_means_SU has one row per prompt.
  void add(Stat stat, const at::Tensor& prompt_means_SU);
  /// Adds a sum over `count` prompts or tokens. Throws Error(kBadInput) if the number of units
  /// differs from earlier calls.
  void add_sum(Stat stat, const at::Tensor& sum_U, int64_t count);
  void merge(const LayerStats& other);
  bool has(Stat stat) const { return sums_.contains(stat); }
  /// Returns the mean over prompts or tokens, [units] float64, CPU. Throws Error(kBadInput) if the
  /// statistic was not gathered or does not have `units` units.
  at::Tensor mean(Stat stat, int64_t units) const;
  /// Number of prompts or tokens summed.
  int64_t count(Stat stat) const;
  const std::map<Stat, at::Tensor>& sums() const { return sums_; }

 private:
  std::map<Stat, at::Tensor> sums_;
  std::map<Stat, int64_t> counts_;
};

/// Adds a piece of complete sequences to the statistic of `row`, which must be one of the forward
/// pass; sums on a device are downloaded.
void add_to_stats(const StatRow& row, const ModelConfig& config, const StatInput& input,
                  LayerStats& stats);

/// Gathers `stats` of all layers in one forward pass over `samples`. Layers are streamed; samples
/// are packed into large matrix products without padding. The result does not depend on
/// `chunk_tokens` (0 = `piece_tokens`). With empty `stats` nothing is run. On a device sums are
/// accumulated there and downloaded once, at the end. Statistics of gradients need an additional
/// backward pass, whose hidden states between layers are stored in files in the folder `scratch`
/// (empty = the system's temporary folder). Throws Error(kBadInput) naming the layer whose
/// statistics are not finite.
std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats,
                                      Progress& progress = silent_progress(),
                                      int64_t chunk_tokens = ForwardOptions().chunk_tokens,
                                      const std::filesystem::path& scratch = {});

/// Writes stats.safetensors: "{name}.{layer}" holds means, float64 [units]; the metadata hold the
/// numbers of prompts and tokens.
void write_stats(const std::filesystem::path& path, std::span<const LayerStats> layers);
/// Throws Error(kBadInput) for a file with any other contents.
std::vector<LayerStats> read_stats(const std::filesystem::path& path);

}  // namespace mop
