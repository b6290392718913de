// stats/layer_stats.cc -- the table of statistics and what they add up to.
#include "stats/layer_stats.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "stats/abs_sums.h"
#include "stats/head_output.h"

namespace mop {
namespace {

at::Tensor head_output_sums(const at::Tensor& heads_NQ, const Packing& piece,
                            const LayerWeights& weights, const LayerShape& shape) {
  return sequence_sums(head_output_l1(heads_NQ, weights[Role::kOutput], shape.heads), piece);
}

at::Tensor neuron_input_sums(const at::Tensor& neurons_NI, const Packing& piece,
                             const LayerWeights&, const LayerShape&) {
  return sequence_abs_sums(neurons_NI, piece);
}

void add_head_outputs(const at::Tensor& heads_NQ, const Packing& piece, const LayerWeights& weights,
                      const LayerShape& shape, const at::Tensor& sums_H) {
  add_means(head_output_l1_on_device(heads_NQ, weights[Role::kOutput], shape.heads), piece, sums_H);
}

void add_neuron_inputs(const at::Tensor& neurons_NI, const Packing& piece, const LayerWeights&,
                       const LayerShape&, const at::Tensor& sums_I) {
  add_abs_means(neurons_NI, piece, sums_I);
}

constexpr std::array<StatRow, 2> kStatistics = {{
    {Stat::kHeadOutputL1, "head-output-l1", Site::kHeadOutput, head_output_sums, add_head_outputs,
     [](const LayerShape& shape) { return shape.heads; }},
    {Stat::kNeuronInputAbs, "neuron-input-abs", Site::kNeuron, neuron_input_sums, add_neuron_inputs,
     [](const LayerShape& shape) { return shape.mlp; }},
}};

}  // namespace

std::span<const StatRow> all_statistics() { return kStatistics; }

const StatRow& stat_row(Stat stat) {
  for (const StatRow& row : kStatistics) {
    if (row.stat == stat) return row;
  }
  throw internal_error("statistic {} is not in the table", static_cast<int>(stat));
}

void LayerStats::add(Stat stat, const at::Tensor& prompt_means_SU) {
  add_sum(stat, prompt_means_SU.to(at::kCPU, at::kDouble).sum(0), prompt_means_SU.size(0));
}

void LayerStats::add_sum(Stat stat, const at::Tensor& sum_U, int64_t prompts) {
  const auto known = sums_.find(stat);
  if (known == sums_.end()) {
    sums_[stat] = sum_U.clone();
  } else if (known->second.sizes() != sum_U.sizes()) {
    throw bad_input("statistic '{}' covers {} units here and {} there", stat_row(stat).name,
                    known->second.numel(), sum_U.numel());
  } else {
    known->second = known->second + sum_U;
  }
  prompts_[stat] += prompts;
}

void LayerStats::merge(const LayerStats& other) {
  for (const auto& [stat, sum_U] : other.sums_) add_sum(stat, sum_U, other.prompts(stat));
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
  return sum->second / static_cast<double>(prompts(stat));
}

int64_t LayerStats::prompts(Stat stat) const {
  const auto known = prompts_.find(stat);
  return known == prompts_.end() ? 0 : known->second;
}

}  // namespace mop
