// stats/layer_stats.cc -- the table of statistics, and their sums.
#include "stats/layer_stats.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "stats/abs_sums.h"
#include "stats/head_output.h"
#include "stats/squares.h"

namespace mop {
namespace {

at::Tensor head_output_sums(const StatInput& input) {
  return sequence_sums(
      head_output_l1(input.value_NX, input.weights[Role::kOutput], input.shape.heads), input.piece);
}

void add_head_outputs(const StatInput& input, const at::Tensor& sums_H) {
  add_means(
      head_output_l1_on_device(input.value_NX, input.weights[Role::kOutput], input.shape.heads),
      input.piece, sums_H);
}

at::Tensor neuron_input_sums(const StatInput& input) {
  return sequence_abs_sums(input.value_NX, input.piece);
}

void add_neuron_inputs(const StatInput& input, const at::Tensor& sums_I) {
  add_abs_means(input.value_NX, input.piece, sums_I);
}

void add_values(const StatInput& input, const at::Tensor& sums_X) {
  sums_X.add_(input.value_NX.sum(0, false, at::kDouble));
}

void add_squares(const StatInput& input, const at::Tensor& sums_X) {
  add_exact_squares(input.value_NX, sums_X);
}

void add_responses(const StatInput& input, const at::Tensor& sums_X) {
  add_squared_abs_means(input.value_NX, input.piece, sums_X);
}

void add_group_outputs(const StatInput& input, const at::Tensor& sums_G) {
  add_group_output_squares(input.value_NX, input.weights[Role::kOutput], sums_G);
}

void add_angles(const StatInput& input, const at::Tensor& sums_1) {
  constexpr double kPi = 3.14159265358979323846;
  sums_1.add_(row_cosines(input.input_ND, input.value_NX).acos_().sum(), 1 / kPi);
}

void add_distances(const StatInput& input, const at::Tensor& sums_1) {
  sums_1.add_(row_cosines(input.input_ND, input.value_NX).neg_().add_(1).sum());
}

at::Tensor sum_of_gates(const at::Tensor& gates_SU) { return gates_SU.sum(0); }
at::Tensor sum_of_squared_gates(const at::Tensor& gates_SU) { return gates_SU.square().sum(0); }

int64_t heads(const ModelConfig&, const LayerShape& shape) { return shape.heads; }
int64_t channels(const ModelConfig&, const LayerShape& shape) {
  return shape.heads * shape.head_dim;
}
int64_t groups(const ModelConfig&, const LayerShape& shape) { return shape.kv_heads; }
int64_t neurons(const ModelConfig&, const LayerShape& shape) { return shape.mlp; }
int64_t one(const ModelConfig&, const LayerShape&) { return 1; }
// Hidden channels, or 0 if the layer lacks the half that reads them.
int64_t read_by_attention(const ModelConfig& config, const LayerShape& shape) {
  return shape.heads > 0 ? config.hidden : 0;
}
int64_t read_by_mlp(const ModelConfig& config, const LayerShape& shape) {
  return shape.mlp > 0 ? config.hidden : 0;
}

constexpr StatRow kStatistics[] = {
    {.stat = Stat::kHeadOutputL1,
     .name = "head-output-l1",
     .summary = "per head: L1 norm of its addition to the residual stream",
     .site = Site::kHeadOutput,
     .add = add_head_outputs,
     .token_sums = head_output_sums,
     .units = heads,
     .source = "AMP, arXiv 2504.21174"},
    {.stat = Stat::kNeuronInputAbs,
     .name = "neuron-input-abs",
     .summary = "per neuron: |activation| entering down_proj",
     .site = Site::kNeuron,
     .add = add_neuron_inputs,
     .token_sums = neuron_input_sums,
     .units = neurons,
     .source = "AMP, arXiv 2504.21174"},
    {.stat = Stat::kHeadChannelMean,
     .name = "head-channel-mean",
     .summary = "per channel of the heads: the value entering o_proj",
     .weighting = Weighting::kTokens,
     .site = Site::kHeadOutput,
     .add = add_values,
     .units = channels,
     .source = "FLAP, arXiv 2312.11983"},
    {.stat = Stat::kHeadChannelSquare,
     .name = "head-channel-square",
     .summary = "per channel of the heads: square of the value entering o_proj",
     .weighting = Weighting::kTokens,
     .site = Site::kHeadOutput,
     .add = add_squares,
     .units = channels,
     .source = "Wanda, arXiv 2306.11695"},
    {.stat = Stat::kNeuronMean,
     .name = "neuron-mean",
     .summary = "per neuron: the value entering down_proj",
     .weighting = Weighting::kTokens,
     .site = Site::kNeuron,
     .add = add_values,
     .units = neurons,
     .source = "FLAP, arXiv 2312.11983"},
    {.stat = Stat::kNeuronSquare,
     .name = "neuron-square",
     .summary = "per neuron: square of the value entering down_proj",
     .weighting = Weighting::kTokens,
     .site = Site::kNeuron,
     .add = add_squares,
     .units = neurons,
     .source = "Wanda, arXiv 2306.11695"},
    {.stat = Stat::kGroupOutputSquare,
     .name = "group-output-square",
     .summary = "per KV group: squared L2 norm of its addition to the residual stream",
     .weighting = Weighting::kTokens,
     .site = Site::kHeadOutput,
     .add = add_group_outputs,
     .units = groups,
     .source = "this project, docs/method.md"},
    {.stat = Stat::kHeadChannelResponse,
     .name = "head-channel-response",
     .summary = "per channel of the heads: square of a prompt's mean |value| entering o_proj",
     .site = Site::kHeadOutput,
     .add = add_responses,
     .units = channels,
     .source = "Minitron, arXiv 2407.14679"},
    {.stat = Stat::kNeuronResponse,
     .name = "neuron-response",
     .summary = "per neuron: square of a prompt's mean |activation| entering down_proj",
     .site = Site::kNeuron,
     .add = add_responses,
     .units = neurons,
     .source = "Minitron, arXiv 2407.14679"},
    {.stat = Stat::kLayerAngle,
     .name = "layer-angle",
     .summary = "per layer: angle between its input and output, divided by pi",
     .weighting = Weighting::kTokens,
     .reads_input = true,
     .add = add_angles,
     .units = one,
     .source = "CFSP, arXiv 2409.13199"},
    {.stat = Stat::kLayerDistance,
     .name = "layer-distance",
     .summary = "per layer: 1 - cosine of its input and output",
     .weighting = Weighting::kTokens,
     .reads_input = true,
     .add = add_distances,
     .units = one,
     .source = "ShortGPT, arXiv 2403.03853"},
    {.stat = Stat::kGroupGate,
     .name = "group-gate",
     .summary = "per KV group: gradient of a prompt's loss with respect to its gate",
     .site = Site::kHeadOutput,
     .add_gates = sum_of_gates,
     .units = groups,
     .source = "LLM-Pruner, arXiv 2305.11627"},
    {.stat = Stat::kGroupGateSquare,
     .name = "group-gate-square",
     .summary = "per KV group: square of the gradient of a prompt's loss with respect to its gate",
     .site = Site::kHeadOutput,
     .add_gates = sum_of_squared_gates,
     .units = groups,
     .source = "Fisher information of gates, arXiv 2204.09656"},
    {.stat = Stat::kNeuronGate,
     .name = "neuron-gate",
     .summary = "per neuron: gradient of a prompt's loss with respect to its gate",
     .site = Site::kNeuron,
     .add_gates = sum_of_gates,
     .units = neurons,
     .source = "LLM-Pruner, arXiv 2305.11627"},
    {.stat = Stat::kNeuronGateSquare,
     .name = "neuron-gate-square",
     .summary = "per neuron: square of the gradient of a prompt's loss with respect to its gate",
     .site = Site::kNeuron,
     .add_gates = sum_of_squared_gates,
     .units = neurons,
     .source = "Fisher information of gates, arXiv 2204.09656"},
    {.stat = Stat::kAttentionChannelResponse,
     .name = "attention-channel-response",
     .summary = "per hidden channel: square of a prompt's mean |value| entering q, k and v",
     .site = Site::kAttentionInput,
     .add = add_responses,
     .units = read_by_attention,
     .source = "Minitron, arXiv 2407.14679"},
    {.stat = Stat::kAttentionChannelSquare,
     .name = "attention-channel-square",
     .summary = "per hidden channel: square of the value entering q, k and v",
     .weighting = Weighting::kTokens,
     .site = Site::kAttentionInput,
     .add = add_squares,
     .units = read_by_attention,
     .source = "Wanda, arXiv 2306.11695"},
    {.stat = Stat::kMlpChannelResponse,
     .name = "mlp-channel-response",
     .summary = "per hidden channel: square of a prompt's mean |value| entering gate and up",
     .site = Site::kMlpInput,
     .add = add_responses,
     .units = read_by_mlp,
     .source = "Minitron, arXiv 2407.14679"},
    {.stat = Stat::kMlpChannelSquare,
     .name = "mlp-channel-square",
     .summary = "per hidden channel: square of the value entering gate and up",
     .weighting = Weighting::kTokens,
     .site = Site::kMlpInput,
     .add = add_squares,
     .units = read_by_mlp,
     .source = "Wanda, arXiv 2306.11695"},
};

}  // namespace

std::span<const StatRow> all_statistics() { return kStatistics; }

const StatRow& stat_row(Stat stat) {
  for (const StatRow& row : kStatistics) {
    if (row.stat == stat) return row;
  }
  throw internal_error("statistic {} is not in the table", static_cast<int>(stat));
}

bool need_gradients(std::span<const Stat> stats) {
  return std::ranges::any_of(stats, [](Stat stat) { return stat_row(stat).add_gates != nullptr; });
}

void LayerStats::add(Stat stat, const at::Tensor& prompt_means_SU) {
  add_sum(stat, prompt_means_SU.to(at::kCPU, at::kDouble).sum(0), prompt_means_SU.size(0));
}

void LayerStats::add_sum(Stat stat, const at::Tensor& sum_U, int64_t count) {
  const auto known = sums_.find(stat);
  if (known == sums_.end()) {
    sums_[stat] = sum_U.clone();
  } else if (known->second.sizes() != sum_U.sizes()) {
    throw bad_input("statistic '{}' has {} units in one part and {} in another",
                    stat_row(stat).name, known->second.numel(), sum_U.numel());
  } else {
    known->second = known->second + sum_U;
  }
  counts_[stat] += count;
}

void LayerStats::merge(const LayerStats& other) {
  for (const auto& [stat, sum_U] : other.sums_) add_sum(stat, sum_U, other.count(stat));
}

at::Tensor LayerStats::mean(Stat stat, int64_t units) const {
  const auto sum = sums_.find(stat);
  if (sum == sums_.end()) {
    throw bad_input("statistic '{}' was not gathered", stat_row(stat).name);
  }
  if (sum->second.numel() != units) {
    throw bad_input("statistic '{}' covers {} units but the layer has {}", stat_row(stat).name,
                    sum->second.numel(), units)
        .hint("these statistics belong to another model");
  }
  return sum->second / static_cast<double>(count(stat));
}

int64_t LayerStats::count(Stat stat) const {
  const auto known = counts_.find(stat);
  return known == counts_.end() ? 0 : known->second;
}

}  // namespace mop
