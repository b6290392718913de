// allocate/width.cc -- names of budgets and rules, and dispatch between them.
#include "allocate/width.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "allocate/exact.h"
#include "allocate/released.h"
#include "base/error.h"
#include "base/named_table.h"
#include "model/family.h"
#include "structure/unit.h"

namespace mop {
namespace {

template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};
constexpr std::array<Named<BudgetKind>, 2> kBudgets = {
    {{"exact", BudgetKind::kExact}, {"released", BudgetKind::kReleased}}};
constexpr std::array<Named<WidthRule>, 3> kRules = {
    {{"mha", WidthRule::kMha}, {"mlp-only", WidthRule::kMlpOnly}, {"gqa", WidthRule::kGqa}}};

template <typename Table, typename Value>
std::string_view name_in(const Table& table, Value value) {
  return std::find_if(table.begin(), table.end(),
                      [&](const auto& row) { return row.value == value; })
      ->name;
}

void check_options(const ModelConfig& config, const WidthOptions& options) {
  if (config.layers.empty()) throw bad_input("a width step needs at least one layer");
  if (options.min_kv_groups < 1) {
    throw usage_error("min_kv_groups must be at least 1, got {}", options.min_kv_groups);
  }
  for (const auto& [name, multiple] : {std::pair("shape_multiple", options.shape_multiple),
                                       std::pair("head_multiple", options.head_multiple)}) {
    if (multiple < 1) throw usage_error("{} must be at least 1, got {}", name, multiple);
    if (multiple == 1 || options.budget != BudgetKind::kReleased) continue;
    throw usage_error("budget 'released' does not support {}, got {}", name, multiple)
        .hint("use budget 'exact'");
  }
  if (options.rule != WidthRule::kMha) return;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerShape& shape = config.layers[i];
    if (shape.heads == shape.kv_heads) continue;
    throw usage_error("rule 'mha' needs as many KV heads as heads, but layer {} has {} and {}", i,
                      shape.kv_heads, shape.heads)
        .hint("use rule 'gqa', which removes whole KV groups, or 'mlp-only'");
  }
}

}  // namespace

BudgetKind budget_from_name(std::string_view name) {
  return find_by_name(std::span<const Named<BudgetKind>>(kBudgets), name, "budget").value;
}
std::string_view budget_name(BudgetKind kind) { return name_in(kBudgets, kind); }
WidthRule rule_from_name(std::string_view name) {
  return find_by_name(std::span<const Named<WidthRule>>(kRules), name, "width rule").value;
}
std::string_view rule_name(WidthRule rule) { return name_in(kRules, rule); }

WidthRule default_rule(const ModelConfig& config) {
  const auto grouped = [](const LayerShape& shape) { return shape.kv_heads < shape.heads; };
  return std::any_of(config.layers.begin(), config.layers.end(), grouped) ? WidthRule::kGqa
                                                                          : WidthRule::kMha;
}

int64_t layer_worth(const ModelConfig& config) {
  if (config.layers.empty()) throw bad_input("a model without layers has nothing to remove");
  const auto layers = static_cast<int64_t>(config.layers.size());
  return (block_parameters(config) + layers / 2) / layers;
}

WidthCounts allocate_width(const ModelConfig& config, int64_t parameters, const Owed& owed,
                           const WidthOptions& options) {
  check_options(config, options);
  if (parameters < 1) throw internal_error("a width step cannot remove {} parameters", parameters);
  if (options.budget == BudgetKind::kReleased) {
    return allocate_released(config, parameters, owed, options.rule);
  }
  return allocate_exact(config, parameters, owed, options);
}

WidthCounts in_packs_of_layers(const ModelConfig& config, int64_t parameters, WidthCounts counts,
                               const WidthOptions& options) {
  const int64_t pack = options.shape_multiple;
  int64_t missing = parameters;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerShape& shape = config.layers[i];
    missing -= counts.kv_groups[i] * unit_parameters(UnitKind::kKvGroup, config, shape) +
               counts.neurons[i] * unit_parameters(UnitKind::kNeuron, config, shape);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < config.layers.size(); ++i) {
      const LayerShape& shape = config.layers[i];
      const int64_t cost = pack * unit_parameters(UnitKind::kNeuron, config, shape);
      const int64_t kept = shape.mlp - counts.neurons[i];
      const bool too_few = options.in_full ? missing > 0 : 2 * missing > cost;
      const bool too_many = options.in_full ? missing + cost <= 0 : -2 * missing > cost;
      const bool whole = kept % pack == 0;
      const int64_t more = whole && too_few && kept >= 2 * pack             ? 1
                           : whole && too_many && counts.neurons[i] >= pack ? -1
                                                                            : 0;
      counts.neurons[i] += more * pack;
      missing -= more * cost;
      changed = changed || more != 0;
    }
  }
  counts.owed.parameters = static_cast<double>(missing);
  return counts;
}

int64_t half_pack(const ModelConfig& config, int64_t shape_multiple) {
  int64_t neurons = 0;
  for (const LayerShape& shape : config.layers) {
    neurons += unit_parameters(UnitKind::kNeuron, config, shape);
  }
  return shape_multiple * neurons / 2;
}

int64_t group_stride(const LayerShape& shape, int64_t head_multiple) {
  const int64_t width = shape.group() * shape.head_dim;
  return width == 0 ? 1 : head_multiple / std::gcd(head_multiple, width);
}

IndexList lowest(const at::Tensor& scores_U, int64_t count) {
  const at::Tensor values_U = scores_U.to(at::kCPU, at::kDouble).contiguous();
  if (count < 0 || count > values_U.numel()) {
    throw bad_input("cannot remove {} of {} units", count, values_U.numel());
  }
  const double* value = values_U.const_data_ptr<double>();
  IndexList order(static_cast<size_t>(values_U.numel()));
  std::iota(order.begin(), order.end(), 0);
  for (const int32_t i : order) {
    if (std::isnan(value[i])) throw bad_input("the score of unit {} is not a number", i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return value[a] < value[b]; });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace mop
