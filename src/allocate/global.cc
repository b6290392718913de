// allocate/global.cc -- units are ranked in packs: what may go from a layer at once.
#include "allocate/global.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "structure/unit.h"

namespace mop {
namespace {

struct Pack {
  double score;  // mean of its units
  size_t layer;
  int64_t units;
};

// How one layer's units may go: the first pack brings the layer to a multiple of `stride`.
struct Packing {
  int64_t units;   // the layer has
  int64_t least;   // that stay
  int64_t stride;  // what stays is a multiple
};

// The packs of one layer, lowest scores first.
std::vector<Pack> packs_of(const at::Tensor& scores_U, const Packing& rule, size_t layer) {
  if (scores_U.numel() != rule.units) {
    throw bad_input("{} scores for the {} units of layer {}", scores_U.numel(), rule.units, layer);
  }
  const at::Tensor values_U = scores_U.to(at::kCPU, at::kDouble).contiguous();
  std::vector<double> sorted(values_U.const_data_ptr<double>(),
                             values_U.const_data_ptr<double>() + rule.units);
  std::sort(sorted.begin(), sorted.end());
  std::vector<Pack> packs;
  for (int64_t gone = 0; gone < rule.units;) {
    const int64_t rest = (rule.units - gone) % rule.stride;
    const int64_t size = rest == 0 ? rule.stride : rest;
    if (rule.units - gone - size < std::max<int64_t>(rule.least, 1)) break;
    const auto first = sorted.begin() + gone;
    packs.push_back(
        {std::accumulate(first, first + size, 0.0) / static_cast<double>(size), layer, size});
    gone += size;
  }
  return packs;
}

// Units that go from each layer: `total` in all, or a little less where no pack fits any more.
std::vector<int64_t> spread(const std::vector<at::Tensor>& scores, int64_t total,
                            const std::vector<Packing>& rules) {
  if (scores.size() != rules.size()) {
    throw bad_input("scores of {} layers for a model of {}", scores.size(), rules.size());
  }
  std::vector<Pack> packs;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].units == 0) continue;
    const std::vector<Pack> own = packs_of(scores[i], rules[i], i);
    packs.insert(packs.end(), own.begin(), own.end());
  }
  std::stable_sort(packs.begin(), packs.end(),
                   [](const Pack& a, const Pack& b) { return a.score < b.score; });
  std::vector<int64_t> counts(rules.size(), 0);
  std::vector<bool> closed(rules.size(), false);  // a pack did not fit: later ones must wait too
  for (const Pack& pack : packs) {
    if (closed[pack.layer] || pack.units > total) {
      closed[pack.layer] = true;
      continue;
    }
    counts[pack.layer] += pack.units;
    total -= pack.units;
  }
  return counts;
}

int64_t parameters_of(const ModelConfig& config, const WidthCounts& counts) {
  int64_t sum = 0;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerShape& shape = config.layers[i];
    sum += counts.kv_groups[i] * unit_parameters(UnitKind::kKvGroup, config, shape) +
           counts.neurons[i] * unit_parameters(UnitKind::kNeuron, config, shape);
  }
  return sum;
}

int64_t sum_of(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

}  // namespace

WidthCounts spread_by_score(const ModelConfig& config, const WidthCounts& uniform,
                            const GlobalScores& scores, const WidthOptions& options) {
  std::vector<Packing> groups, neurons;
  for (const LayerShape& shape : config.layers) {
    groups.push_back(
        {shape.kv_heads, options.min_kv_groups, group_stride(shape, options.head_multiple)});
    neurons.push_back({shape.mlp, 1, options.shape_multiple});
  }
  WidthCounts counts = uniform;
  if (scores.kv_groups != nullptr) {
    counts.kv_groups = spread(*scores.kv_groups, sum_of(uniform.kv_groups), groups);
  }
  if (scores.neurons != nullptr) {
    counts.neurons = spread(*scores.neurons, sum_of(uniform.neurons), neurons);
  }
  counts.owed.parameters +=
      static_cast<double>(parameters_of(config, uniform) - parameters_of(config, counts));
  return counts;
}

}  // namespace mop
