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
  kHeadOutputL1,         ///< per query head: ||W_o[:, head] x_head||_1 (AMP, arXiv 2504.21174)
  kNeuronInputAbs,       ///< per neuron: |x_j| entering down_proj (AMP)
  kHeadChannelMean,      ///< per channel of every head: x_j entering o_proj
  kHeadChannelSquare,    ///< the same: x_j^2
  kNeuronMean,           ///< per neuron: x_j entering down_proj
  kNeuronSquare,         ///< the same: x_j^2
  kGroupOutputSquare,    ///< per KV group: ||W_o[:, group] x_group||^2
  kHeadChannelResponse,  ///< per channel of every head: (mean over the prompt's tokens of |x_j|)^2
  kNeuronResponse,       ///< per neuron: the same, entering down_proj
  kLayerAngle,       ///< of the layer's input and output: arccos(cos) / pi (CFSP, arXiv 2409.13199)
  kLayerDistance,    ///< the same: 1 - cos (ShortGPT, arXiv 2403.03853)
  kGroupGate,        ///< per KV group: gradient of a prompt's loss by a gate on what it sends on
  kGroupGateSquare,  ///< the square of that
  kNeuronGate,       ///< per neuron: gradient of a prompt's loss by a gate on its activation
  kNeuronGateSquare,          ///< the square of that
  kAttentionChannelResponse,  ///< per hidden channel: (mean over the prompt's tokens of |x_d|)^2,
                              ///< entering q, k and v
  kAttentionChannelSquare,    ///< the same: x_d^2
  kMlpChannelResponse,        ///< the same two, entering gate and up
  kMlpChannelSquare
};

/// What a statistic is a mean over: every prompt counts once however long it is, or every token.
enum class Weighting { kPrompts, kTokens };

/// What a statistic is told of a piece of whole sequences.
struct Seen {
  const at::Tensor& value_NX;  ///< the activation at the row's site
  const at::Tensor& input_ND;  ///< the layer's input; undefined unless the row reads it
  const Packing& piece;
  const LayerWeights& weights;
  const LayerShape& shape;
};

/// A statistic: where to look, and what to add up.
struct StatRow {
  Stat stat;
  std::string_view name;  ///< as in stats.safetensors: "head-output-l1"
  std::string_view summary;
  Weighting weighting = Weighting::kPrompts;
  Site site = Site::kLayerOutput;
  bool reads_input = false;  ///< whether it compares with the layer's input
  /// Adds the piece's tokens, or its prompts' means over tokens, to sums_U: float64, where the
  /// activation is. Does not wait for a device.
  void (*add)(const Seen& seen, const at::Tensor& sums_U) = nullptr;
  /// A faster way on the CPU, of prompts: sums over each sequence's tokens, [sequences, units]
  /// float64. Null = `add` does it.
  at::Tensor (*token_sums)(const Seen& seen) = nullptr;
  /// Of the backward pass, instead of these: gradients by a gate on every unit of a half layer, a
  /// row for each prompt, [prompts, units] float64 -> what they add up to, [units].
  at::Tensor (*add_gates)(const at::Tensor& gates_SU) = nullptr;
  int64_t (*units)(const ModelConfig& config, const LayerShape& shape) = nullptr;
  std::string_view source = {};  ///< the paper that defines it, or that first needed it
};
std::span<const StatRow> all_statistics();
const StatRow& stat_row(Stat stat);
/// How many prompts or tokens of these samples a statistic is a mean over.
int64_t count_of(const StatRow& row, const TokenSamples& samples);
/// Whether one of them is gathered by a backward pass.
bool need_gradients(std::span<const Stat> stats);

/// The statistics of one layer. Values are sums over prompts (of means over tokens, where the
/// statistic has a value for every token) or over tokens, as the row's weighting says; dividing by
/// `count` of them gives the mean.
class LayerStats {
 public:
  /// prompt_means_SU: a row per prompt.
  void add(Stat stat, const at::Tensor& prompt_means_SU);
  /// Adds what was already summed over `count` prompts or tokens. Throws Error(kBadInput) on other
  /// numbers of units.
  void add_sum(Stat stat, const at::Tensor& sum_U, int64_t count);
  void merge(const LayerStats& other);
  bool has(Stat stat) const { return sums_.contains(stat); }
  /// Mean over prompts or tokens, [units] float64 CPU. Throws Error(kBadInput) when it was not
  /// gathered or when it covers another number of units than `units`.
  at::Tensor mean(Stat stat, int64_t units) const;
  /// Prompts or tokens that were added up.
  int64_t count(Stat stat) const;
  const std::map<Stat, at::Tensor>& sums() const { return sums_; }

 private:
  std::map<Stat, at::Tensor> sums_;
  std::map<Stat, int64_t> counts_;
};

/// Adds what a piece of whole sequences gives to the statistic of `row`, which is one of a pass
/// forward; what is added up on a device is downloaded.
void add_seen(const StatRow& row, const ModelConfig& config, const Seen& seen, LayerStats& stats);

/// One forward pass over `samples` that gathers all `stats` of all layers. Layers are streamed;
/// samples are packed into large matrix products. Padding does not exist. Invariant to
/// `chunk_tokens`, 0 = `piece_tokens`. Empty `stats`: nothing is run. On a device everything is
/// added up there and downloaded once, at the end. Statistics of gradients take a backward pass
/// after it, whose hidden states between layers lie in files of the folder `scratch` (empty: the
/// system's for temporary files). Throws Error(kBadInput) naming the layer whose statistics are not
/// finite.
std::vector<LayerStats> collect_stats(WeightLoader& weights, const TokenSamples& samples,
                                      std::span<const Stat> stats,
                                      Progress& progress = silent_progress(),
                                      int64_t chunk_tokens = ForwardOptions().chunk_tokens,
                                      const std::filesystem::path& scratch = {});

/// stats.safetensors: "{name}.{layer}" holds the means, float64 [units]; the metadata say of how
/// many prompts and tokens.
void write_stats(const std::filesystem::path& path, std::span<const LayerStats> layers);
/// Throws Error(kBadInput) for a file that holds anything else.
std::vector<LayerStats> read_stats(const std::filesystem::path& path);

}  // namespace mop
