// plan/branches/amp_width.cc -- width by activation magnitude (AMP, arXiv 2504.21174): the lowest
// KV groups and neurons of every layer go.
#include "allocate/global.h"
#include "base/error.h"
#include "base/json.h"
#include "model/family.h"
#include "plan/branches/branches.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

// The branch's section of the recipe.
struct WidthSettings {
  WidthOptions allocation;
  Allocation spread = Allocation::kUniform;
  std::string heads, neurons;  // criteria
};

std::string criterion_for(UnitKind unit, const Options& options, std::string_view key,
                          std::string_view fallback) {
  const std::string name = options.text(key, fallback);
  if (find_criterion(name).unit == unit) return name;
  throw usage_error("criterion '{}' ranks {}s, but '{}' needs one that ranks {}s", name,
                    unit_name(find_criterion(name).unit), key, unit_name(unit));
}

WidthSettings read_settings(const ModelConfig& config, const Options& options) {
  WidthSettings settings;
  settings.allocation.budget = budget_from_name(options.text("budget", "exact"));
  settings.allocation.rule = rule_from_name(options.text("rule", rule_name(default_rule(config))));
  settings.allocation.min_kv_groups = options.integer("min_kv_groups", 1);
  settings.allocation.shape_multiple = options.integer("shape_multiple", 1);
  settings.allocation.head_multiple =
      options.integer("head_multiple", settings.allocation.shape_multiple);
  settings.spread = allocation_from_name(options.text("allocation", "uniform"));
  if (settings.spread == Allocation::kGlobal &&
      settings.allocation.budget == BudgetKind::kReleased) {
    throw usage_error("allocation 'global' makes layers differ, which budget 'released' refuses")
        .hint("use budget 'exact'");
  }
  settings.heads = criterion_for(UnitKind::kKvGroup, options, "heads", "amp-heads");
  settings.neurons = criterion_for(UnitKind::kNeuron, options, "neurons", "amp-neurons");
  return settings;
}

// Sizes alone: how many units go in all is the same however they are spread.
WidthCounts allocate(const BranchInput& input, const WidthSettings& settings) {
  return allocate_width(input.config, input.budget, input.owed, settings.allocation);
}

ShapeStep count(const BranchInput& input) {
  const WidthCounts counts = allocate(input, read_settings(input.config, input.options));
  return shapes_after(input.config, counts);
}

// Scores of every layer, asked for only when a unit of that kind goes.
const std::vector<at::Tensor>* scores_if_needed(const std::vector<int64_t>& counts,
                                                Measure& measure, const std::string& criterion) {
  for (const int64_t n : counts) {
    if (n > 0) return &measure.scores(criterion);
  }
  return nullptr;
}

IndexList lowest_of(const std::vector<at::Tensor>* scores, size_t layer, int64_t count) {
  return count > 0 ? lowest((*scores)[layer], count) : IndexList();
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  const WidthSettings settings = read_settings(input.config, input.options);
  WidthCounts counts = allocate(input, settings);
  const auto* groups = scores_if_needed(counts.kv_groups, measure, settings.heads);
  const auto* neurons = scores_if_needed(counts.neurons, measure, settings.neurons);
  if (settings.spread == Allocation::kGlobal) {
    counts = spread_by_score(input.config, counts, {groups, neurons}, settings.allocation);
  }
  std::vector<WidthUnits> units(model.layers().size());
  for (size_t i = 0; i < units.size(); ++i) {
    units[i].kv_groups = lowest_of(groups, i, counts.kv_groups[i]);
    units[i].neurons = lowest_of(neurons, i, counts.neurons[i]);
  }
  PlanStep step = width_step("width", model, units);
  step.owed = counts.owed;
  return step;
}

Json with_defaults(const ModelConfig& dense, const Json& given) {
  const WidthSettings settings = read_settings(dense, Options("width", given));
  Json all = {{"budget", budget_name(settings.allocation.budget)},
              {"rule", rule_name(settings.allocation.rule)},
              {"min_kv_groups", settings.allocation.min_kv_groups},
              {"shape_multiple", settings.allocation.shape_multiple},
              {"head_multiple", settings.allocation.head_multiple},
              {"allocation", allocation_name(settings.spread)},
              {"heads", settings.heads},
              {"neurons", settings.neurons}};
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

std::vector<std::string> criteria(const ModelConfig& config, const Options& options) {
  const WidthSettings settings = read_settings(config, options);
  if (settings.allocation.rule == WidthRule::kMlpOnly) return {settings.neurons};
  return {settings.heads, settings.neurons};
}

}  // namespace

Branch amp_width_branch() {
  return {
      'G',           "width", "amp-width: the lowest KV groups and neurons of every layer, by AMP",
      count,         propose, true,
      with_defaults, criteria};
}

}  // namespace mop
