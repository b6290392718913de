// allocate/global.cc -- units are ranked in packs: the units of a layer that can be removed
// together.
#include "allocate/global.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "structure/unit.h"

namespace mop {
namespace {

// Constraints of one layer: the first pack reduces the layer to a multiple of `stride`.
struct Packing {
  int64_t units;   // of the layer
  int64_t least;   // minimum kept
  int64_t stride;  // the number of kept units is a multiple of this
};

struct Pack {
  double rank;   // lower is removed first
  size_t queue;  // packs of one queue are removed in order
  int64_t units;
  int64_t cost;  // of the pack, in the unit of the total
};

// Calls use(gone, size) for the packs of one layer in the order of removal.
template <typename Use>
void for_each_pack(const Packing& rule, Use use) {
  for (int64_t gone = 0; gone < rule.units;) {
    const int64_t rest = (rule.units - gone) % rule.stride;
    const int64_t size = rest == 0 ? rule.stride : rest;
    if (rule.units - gone - size < std::max<int64_t>(rule.least, 1)) break;
    use(gone, size);
    gone += size;
  }
}

// Returns the packs of one layer, lowest scores first; a pack's rank is the mean score of its
// units. A unit costs 1.
std::vector<Pack> packs_of(const at::Tensor& scores_U, const Packing& rule, size_t layer) {
  if (scores_U.numel() != rule.units) {
    throw bad_input("{} scores for the {} units of layer {}", scores_U.numel(), rule.units, layer);
  }
  const at::Tensor values_U = scores_U.to(at::kCPU, at::kDouble).contiguous();
  std::vector<double> sorted(values_U.const_data_ptr<double>(),
                             values_U.const_data_ptr<double>() + rule.units);
  std::sort(sorted.begin(), sorted.end());
  std::vector<Pack> packs;
  for_each_pack(rule, [&](int64_t gone, int64_t size) {
    const auto first = sorted.begin() + gone;
    const double mean = std::accumulate(first, first + size, 0.0) / static_cast<double>(size);
    packs.push_back({mean, layer, size, size});
  });
  return packs;
}

std::vector<Pack> packs_of_layers(const std::vector<at::Tensor>& scores,
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
  return packs;
}

// Returns the number of removed units per queue, lowest ranks first: packs that cost `total`, or
// slightly less if no other pack fits.
std::vector<int64_t> take(std::vector<Pack> packs, int64_t total, size_t queues) {
  std::stable_sort(packs.begin(), packs.end(),
                   [](const Pack& a, const Pack& b) { return a.rank < b.rank; });
  std::vector<int64_t> counts(queues, 0);
  std::vector<bool> closed(
      queues, false);  // a pack did not fit, so later ones of the queue cannot be removed
  for (const Pack& pack : packs) {
    if (closed[pack.queue] || pack.cost > total) {
      closed[pack.queue] = true;
      continue;
    }
    counts[pack.queue] += pack.units;
    total -= pack.cost;
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

std::vector<Packing> rules_of(UnitKind kind, const ModelConfig& config,
                              const WidthOptions& options) {
  std::vector<Packing> rules;
  for (const LayerShape& shape : config.layers) {
    if (kind == UnitKind::kNeuron) {
      rules.push_back({shape.mlp, 1, options.shape_multiple});
    } else {
      rules.push_back(
          {shape.kv_heads, options.min_kv_groups, group_stride(shape, options.head_multiple)});
    }
  }
  return rules;
}

// Adds to `owed` what `counts` removes less than `uniform`.
WidthCounts owing(const ModelConfig& config, const WidthCounts& uniform, WidthCounts counts) {
  counts.owed.parameters +=
      static_cast<double>(parameters_of(config, uniform) - parameters_of(config, counts));
  return counts;
}

// Packs whose centre is furthest below the desired count go first, which distributes the rounding.
std::vector<int64_t> near(const std::vector<double>& desired, int64_t total,
                          const std::vector<Packing>& rules) {
  std::vector<Pack> packs;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].units == 0) continue;
    for_each_pack(rules[i], [&](int64_t gone, int64_t size) {
      const double middle = static_cast<double>(gone) + static_cast<double>(size) / 2;
      packs.push_back({middle - desired[i], i, size, size});
    });
  }
  return take(std::move(packs), total, rules.size());
}

}  // namespace

WidthCounts spread_by_score(const ModelConfig& config, const WidthCounts& uniform,
                            const GlobalScores& scores, const WidthOptions& options) {
  WidthCounts counts = uniform;
  const size_t layers = config.layers.size();
  if (scores.kv_groups != nullptr) {
    const auto packs =
        packs_of_layers(*scores.kv_groups, rules_of(UnitKind::kKvGroup, config, options));
    counts.kv_groups = take(packs, sum_of(uniform.kv_groups), layers);
  }
  if (scores.neurons != nullptr) {
    const auto packs =
        packs_of_layers(*scores.neurons, rules_of(UnitKind::kNeuron, config, options));
    counts.neurons = take(packs, sum_of(uniform.neurons), layers);
  }
  return owing(config, uniform, std::move(counts));
}

WidthCounts spread_in_one_list(const ModelConfig& config, const WidthCounts& uniform,
                               const GlobalScores& scores, const WidthOptions& options,
                               RankBy rank_by) {
  const size_t layers = config.layers.size();
  std::vector<Pack> all;
  // Queues of groups come first, then those of neurons.
  const auto add = [&](const std::vector<at::Tensor>* of_kind, UnitKind kind, size_t first_queue) {
    if (of_kind == nullptr) return;
    for (Pack pack : packs_of_layers(*of_kind, rules_of(kind, config, options))) {
      const int64_t cost = unit_parameters(kind, config, config.layers[pack.queue]);
      if (rank_by == RankBy::kScorePerParameter) pack.rank /= static_cast<double>(cost);
      pack.queue += first_queue;
      pack.cost = pack.units * cost;
      all.push_back(pack);
    }
  };
  add(scores.kv_groups, UnitKind::kKvGroup, 0);
  add(scores.neurons, UnitKind::kNeuron, layers);
  const std::vector<int64_t> taken =
      take(std::move(all), parameters_of(config, uniform), 2 * layers);
  WidthCounts counts = uniform;
  counts.kv_groups.assign(taken.begin(), taken.begin() + static_cast<int64_t>(layers));
  counts.neurons.assign(taken.begin() + static_cast<int64_t>(layers), taken.end());
  return owing(config, uniform, std::move(counts));
}

WidthCounts spread_as_desired(const ModelConfig& config, const WidthCounts& uniform,
                              const DesiredCounts& desired, const WidthOptions& options) {
  WidthCounts counts = uniform;
  counts.kv_groups = near(desired.kv_groups, sum_of(uniform.kv_groups),
                          rules_of(UnitKind::kKvGroup, config, options));
  counts.neurons =
      near(desired.neurons, sum_of(uniform.neurons), rules_of(UnitKind::kNeuron, config, options));
  return owing(config, uniform, std::move(counts));
}

}  // namespace mop
