// allocate/released.cc -- the arithmetic of the released scripts (arXiv 2602.06127), including
// their errors. Symbols: c budget, A and M attention and MLP parameters of a layer, L layers, h
// heads, g KV heads.
#include "allocate/released.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace mop {
namespace {

// Python's round(): rounds half to even.
int64_t round_half_even(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

struct ReleasedSizes {
  double c, A, M, L;
  LayerShape shape;
  int64_t hidden;
};

struct Counts {
  int64_t groups = 0, neurons = 0;
  double owed_groups = 0;
};

Counts count_mha(const ReleasedSizes& s) {
  const auto h = static_cast<double>(s.shape.heads);
  const double rho = s.c / (s.L * (s.A + s.M));
  const int64_t heads = std::min(round_half_even(rho * h), s.shape.heads - 1);
  const double neurons =
      rho * h - static_cast<double>(heads) + rho * static_cast<double>(s.shape.mlp);
  return {heads, std::min(round_half_even(neurons), s.shape.mlp - 1)};
}

Counts count_mlp_only(const ReleasedSizes& s) {
  const double neurons = static_cast<double>(s.shape.mlp) * s.c / (s.L * s.M);
  return {0, std::min(round_half_even(neurons), s.shape.mlp - 1)};
}

Counts count_gqa(const ReleasedSizes& s, double owed_groups) {
  const int64_t d = s.shape.head_dim;
  const auto group_cost = static_cast<double>((2 * s.shape.group() * d + 2 * d) * s.hidden);
  owed_groups += s.c * s.A / (s.A + s.M) / (group_cost * s.L);
  const bool take = owed_groups >= 1 && s.shape.kv_heads > 2;
  const double k = take ? 1 : 0;
  const int64_t neurons =
      round_half_even((s.c - k * group_cost * s.L) / (s.L * 3 * static_cast<double>(s.hidden)));
  // If a group costs more than the budget, the scripts slice the sorted neurons with a negative
  // start, which keeps that many neurons instead of removing none: docs/method.md.
  const int64_t removed = neurons >= 0 ? neurons : std::max<int64_t>(s.shape.mlp + neurons, 0);
  return {take ? 1 : 0, std::min(removed, s.shape.mlp - 1), owed_groups - k};
}

// The rules use layer 0 for all layers, so all layers must be equal.
void check_uniform(const ModelConfig& config) {
  for (size_t i = 1; i < config.layers.size(); ++i) {
    if (config.layers[i] == config.layers[0]) continue;
    throw bad_input(
        "budget 'released' needs equal layers, but layer {} has {} heads, {} KV heads and "
        "{} neurons and layer 0 has {}, {} and {}",
        i, config.layers[i].heads, config.layers[i].kv_heads, config.layers[i].mlp,
        config.layers[0].heads, config.layers[0].kv_heads, config.layers[0].mlp)
        .hint("use budget 'exact', which counts per layer");
  }
}

Counts count(const ReleasedSizes& s, WidthRule rule, double owed_groups) {
  switch (rule) {
    case WidthRule::kMha:
      return count_mha(s);
    case WidthRule::kMlpOnly:
      return count_mlp_only(s);
    case WidthRule::kGqa:
      return count_gqa(s, owed_groups);
  }
  throw internal_error("unknown width rule {}", static_cast<int>(rule));
}

}  // namespace

WidthCounts allocate_released(const ModelConfig& config, int64_t parameters, const Owed& owed,
                              WidthRule rule) {
  check_uniform(config);
  const LayerShape& shape = config.layers[0];
  if (shape.mlp == 0 || (shape.kv_heads == 0 && rule != WidthRule::kMlpOnly)) {
    throw bad_input("budget 'released' needs layers with attention and MLP")
        .hint("use budget 'exact'");
  }
  const int64_t D = config.hidden;
  const ReleasedSizes sizes = {
      static_cast<double>(parameters),
      static_cast<double>(D * shape.head_dim * 2 * (shape.heads + shape.kv_heads)),
      static_cast<double>(3 * D * shape.mlp),
      static_cast<double>(config.layers.size()),
      shape,
      D};
  const Counts counts = count(sizes, rule, owed.groups);
  if (counts.groups == 0 && counts.neurons == 0) {
    throw bad_input("a width step removes nothing: layers have {} KV groups and {} neurons left",
                    shape.kv_heads, shape.mlp)
        .hint("lower the target, or use budget 'exact'");
  }
  WidthCounts result;
  result.kv_groups.assign(config.layers.size(), counts.groups);
  result.neurons.assign(config.layers.size(), counts.neurons);
  result.owed.groups = counts.owed_groups;
  return result;
}

}  // namespace mop
