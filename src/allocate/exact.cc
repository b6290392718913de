// allocate/exact.cc -- the units removed by a width step with `budget: exact`. Layers of equal
// shape form a class and lose equal counts, so that a uniform model stays uniform; a class is
// treated as one wide layer.
#include "allocate/exact.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "structure/unit.h"

namespace mop {
namespace {

// Layers of equal shape. Costs are the parameters of one unit in every layer of the class.
struct ShapeClass {
  LayerShape shape;
  int64_t group_cost = 0, neuron_cost = 0;
  int64_t max_groups = 0;    // maximum removed per layer
  int64_t group_stride = 1;  // the number of kept groups is a multiple of this
  int64_t base = 0;          // neurons to remove to reach a multiple
  int64_t stride = 1;        // further neurons are removed in packs of this size
  int64_t max_packs = 0;
  int64_t groups = 0, packs = 0;  // the result

  int64_t pack_cost() const { return stride * neuron_cost; }
  int64_t neurons() const { return base + stride * packs; }
  int64_t removed() const { return groups * group_cost + neurons() * neuron_cost; }
  double attention() const { return static_cast<double>(shape.kv_heads * group_cost); }
  double mlp() const { return static_cast<double>(shape.mlp * neuron_cost); }
};
using Classes = std::vector<ShapeClass>;

template <typename Value>
auto sum(const Classes& classes, Value value) {
  decltype(value(classes[0])) total = 0;
  for (const ShapeClass& c : classes) total += value(c);
  return total;
}
int64_t removed(const Classes& classes) {
  return sum(classes, [](const ShapeClass& c) { return c.removed(); });
}
int64_t packs_capacity(const Classes& classes) {
  return sum(classes, [](const ShapeClass& c) { return c.max_packs * c.pack_cost(); });
}

// Returns the largest number of groups up to `count` whose removal leaves a positive multiple of
// the stride.
int64_t whole_groups(const ShapeClass& c, int64_t count) {
  const int64_t kept = c.shape.kv_heads - std::max<int64_t>(count, 0);
  const int64_t multiple = (std::max<int64_t>(kept, 1) + c.group_stride - 1) / c.group_stride;
  return std::max<int64_t>(c.shape.kv_heads - multiple * c.group_stride, 0);
}

ShapeClass make_class(const ModelConfig& config, const LayerShape& shape,
                      const WidthOptions& options) {
  ShapeClass c;
  c.shape = shape;
  c.stride = options.shape_multiple;
  c.group_stride = group_stride(shape, options.head_multiple);
  if (options.rule != WidthRule::kMlpOnly) {
    c.max_groups = whole_groups(c, shape.kv_heads - std::max<int64_t>(options.min_kv_groups, 1));
  }
  if (shape.mlp > c.stride) {
    c.base = shape.mlp % c.stride;
    c.max_packs = shape.mlp / c.stride - 1;
  }
  for (const LayerShape& layer : config.layers) {
    if (layer != shape) continue;
    c.group_cost += unit_parameters(UnitKind::kKvGroup, config, shape);
    c.neuron_cost += unit_parameters(UnitKind::kNeuron, config, shape);
  }
  return c;
}

Classes classes_of(const ModelConfig& config, const WidthOptions& options) {
  Classes classes;
  for (const LayerShape& shape : config.layers) {
    const auto same = [&](const ShapeClass& c) { return c.shape == shape; };
    if (std::any_of(classes.begin(), classes.end(), same)) continue;
    classes.push_back(make_class(config, shape, options));
  }
  return classes;
}

// Returns the number of groups to remove for what attention owes. As in the released rule, single
// heads are rounded to the nearest, and a group of several heads, a large part of a layer, is
// removed only when a whole one is owed.
double groups_due(double owed, double cost, WidthRule rule) {
  constexpr double kRounding = 1e-9;  // tolerance for rounding of sums of fractions
  return rule == WidthRule::kMha ? std::nearbyint(owed / cost)
                                 : std::floor(owed / cost + kRounding);
}

// Removes the due groups as long as they cost at most `want` (up to half a neuron per layer). The
// rounding error of a class is carried to the next one.
void choose_groups(Classes& classes, double want, double debt, WidthRule rule) {
  const double attention = sum(classes, [](const ShapeClass& c) { return c.attention(); });
  double carry = 0;
  for (ShapeClass& c : classes) {
    if (c.group_cost == 0) continue;
    const auto cost = static_cast<double>(c.group_cost);
    const double owed = debt * c.attention() / attention + carry;
    const double affordable = std::floor((want + static_cast<double>(c.neuron_cost) / 2) / cost);
    const double groups =
        std::min({groups_due(owed, cost, rule), affordable, static_cast<double>(c.max_groups)});
    c.groups = whole_groups(c, static_cast<int64_t>(std::max(groups, 0.0)));
    want -= static_cast<double>(c.groups) * cost;
    carry = std::clamp(owed - static_cast<double>(c.groups) * cost, -cost, cost);
  }
}

// Returns the next number of groups to remove such that the rest is a multiple; 0 = none.
int64_t next_groups(const ShapeClass& c) {
  const int64_t rest = (c.shape.kv_heads - c.groups) % c.group_stride;
  const int64_t next = rest == 0 ? c.group_stride : rest;
  return c.groups + next <= c.max_groups ? next : 0;
}

// Returns the class with the most removable groups whose next removal costs at most `limit`.
ShapeClass* largest_giver(Classes& classes, double limit) {
  ShapeClass* best = nullptr;
  for (ShapeClass& c : classes) {
    const int64_t next = next_groups(c);
    if (next == 0 || static_cast<double>(next * c.group_cost) > limit) continue;
    if (!best || c.max_groups - c.groups > best->max_groups - best->groups) best = &c;
  }
  return best;
}

// If all neurons together do not suffice, removes further groups as far as they fit.
void add_groups_when_neurons_run_out(Classes& classes, double want) {
  while (true) {
    const double rest = want - static_cast<double>(removed(classes));
    if (rest <= static_cast<double>(packs_capacity(classes))) return;
    ShapeClass* giver = largest_giver(classes, rest);
    if (!giver) return;
    giver->groups += next_groups(*giver);
  }
}

// Distributes the rest over the neurons in proportion to each class's capacity.
void choose_neurons(Classes& classes, double want) {
  const auto capacity = static_cast<double>(packs_capacity(classes));
  if (capacity == 0) return;
  const double rest = std::clamp(want - static_cast<double>(removed(classes)), 0.0, capacity);
  double carry = 0;
  for (ShapeClass& c : classes) {
    if (c.max_packs == 0) continue;
    const auto cost = static_cast<double>(c.pack_cost());
    const double share = static_cast<double>(c.max_packs) * cost / capacity;
    const double due = rest * share + carry;
    const double packs =
        std::clamp(std::nearbyint(due / cost), 0.0, static_cast<double>(c.max_packs));
    c.packs = static_cast<int64_t>(packs);
    carry = due - packs * cost;
  }
}

// A closing step reaches its budget: it removes the cheapest neurons, then groups. Packs are
// already rounded to the nearest; with `in_full` they are rounded up here.
void round_up(Classes& classes, int64_t budget) {
  while (removed(classes) < budget) {
    ShapeClass* cheapest = nullptr;
    for (ShapeClass& c : classes) {
      if (c.packs < c.max_packs && (!cheapest || c.pack_cost() < cheapest->pack_cost()))
        cheapest = &c;
    }
    if (cheapest) {
      ++cheapest->packs;
    } else if (ShapeClass* giver = largest_giver(classes, INFINITY)) {
      giver->groups += next_groups(*giver);
    } else {
      return;
    }
  }
}

void check_something_left(const Classes& classes, const ModelConfig& config,
                          const WidthOptions& options) {
  const auto can_give = [](const ShapeClass& c) { return c.max_groups > 0 || c.max_packs > 0; };
  if (std::any_of(classes.begin(), classes.end(), can_give)) return;
  const LayerShape& shape = config.layers[0];
  throw bad_input(
      "a width step cannot remove anything: layer 0 has {} KV groups and {} neurons left",
      shape.kv_heads, shape.mlp)
      .where("kept", fmt::format("at least {} KV groups and {} neurons per layer, rule {}",
                                 std::max<int64_t>(options.min_kv_groups, 1),
                                 options.shape_multiple, rule_name(options.rule)))
      .hint("lower the target or allow depth steps");
}

WidthCounts per_layer(const Classes& classes, const ModelConfig& config) {
  WidthCounts counts;
  for (const LayerShape& shape : config.layers) {
    const auto c = std::find_if(classes.begin(), classes.end(),
                                [&](const ShapeClass& row) { return row.shape == shape; });
    counts.kv_groups.push_back(c->groups);
    counts.neurons.push_back(c->neurons());
  }
  return counts;
}

}  // namespace

WidthCounts allocate_exact(const ModelConfig& config, int64_t parameters, const Owed& owed,
                           const WidthOptions& options) {
  Classes classes = classes_of(config, options);
  check_something_left(classes, config, options);
  // The remaining budget includes what is owed, so a closing step must not add it again.
  const double want = static_cast<double>(parameters) + (options.closing ? 0 : owed.parameters);
  const double attention = sum(classes, [](const ShapeClass& c) { return c.attention(); });
  const double mlp = sum(classes, [](const ShapeClass& c) { return c.mlp(); });
  const double one_group_each =
      sum(classes, [](const ShapeClass& c) { return static_cast<double>(c.group_cost); });
  double debt = 0;
  if (options.rule != WidthRule::kMlpOnly && attention > 0) {
    debt =
        owed.attention_parameters + static_cast<double>(parameters) * attention / (attention + mlp);
    choose_groups(classes, want, debt, options.rule);
  }
  add_groups_when_neurons_run_out(classes, want);
  choose_neurons(classes, want);
  const int64_t rounding = options.shape_multiple == 1 || options.in_full
                               ? 0
                               : half_pack(config, options.shape_multiple);
  if (options.closing) round_up(classes, parameters - rounding);

  WidthCounts counts = per_layer(classes, config);
  counts.owed.parameters = want - static_cast<double>(removed(classes));
  const double paid = sum(classes, [](const ShapeClass& c) { return c.groups * c.group_cost; });
  // At most one group per layer stays owed; what neurons removed beyond that is not repaid.
  if (debt != 0) counts.owed.attention_parameters = std::min(debt - paid, one_group_each);
  return counts;
}

}  // namespace mop
