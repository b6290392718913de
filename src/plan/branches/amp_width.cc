// plan/branches/amp_width.cc -- width by the scores of a criterion, activation magnitude (AMP,
// arXiv 2504.21174) by default: the lowest KV groups and neurons of every layer go.
#include <algorithm>

#include "allocate/allocation.h"
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
  const Allocation* spread = nullptr;
  std::string heads, neurons;  // criteria
  std::string layers;          // that the allocation reads; empty = none
};

std::string criterion_for(UnitKind unit, const Options& options, std::string_view key,
                          std::string_view fallback) {
  const std::string name = options.text(key, fallback);
  if (find_criterion(name).unit == unit) return name;
  throw usage_error("criterion '{}' ranks {}s, but '{}' needs one that ranks {}s", name,
                    unit_name(find_criterion(name).unit), key, unit_name(unit));
}

// What `criterion` names: heads and neurons have criteria of their own. One without heads leaves
// them alone.
void read_criteria(const ModelConfig& config, const Options& options, WidthSettings& settings) {
  const std::string both = options.text("criterion", "amp");
  if (!is_criterion(both + "-neurons")) {
    std::string known;
    for (const Criterion& row : all_criteria()) {
      if (!row.name.ends_with("-neurons")) continue;
      known += (known.empty() ? "" : ", ") + row.name.substr(0, row.name.rfind('-'));
    }
    throw usage_error("unknown criterion '{}'", both).hint("known: " + known);
  }
  const bool with_heads = is_criterion(both + "-heads") || options.has("heads");
  const WidthRule rule = with_heads ? default_rule(config) : WidthRule::kMlpOnly;
  settings.allocation.rule = rule_from_name(options.text("rule", rule_name(rule)));
  settings.heads =
      criterion_for(UnitKind::kKvGroup, options, "heads",
                    with_heads && !options.has("heads") ? both + "-heads" : "amp-heads");
  settings.neurons = criterion_for(UnitKind::kNeuron, options, "neurons", both + "-neurons");
  if (with_heads || settings.allocation.rule == WidthRule::kMlpOnly) return;
  throw usage_error("criterion '{}' does not rank heads, and rule '{}' removes them", both,
                    rule_name(settings.allocation.rule))
      .hint("leave the rule out, or name a criterion for them: --set width.heads=amp-heads");
}

WidthSettings read_settings(const ModelConfig& config, const Options& options) {
  WidthSettings settings;
  settings.allocation.budget = budget_from_name(options.text("budget", "exact"));
  read_criteria(config, options, settings);
  settings.allocation.min_kv_groups = options.integer("min_kv_groups", 1);
  settings.allocation.shape_multiple = options.integer("shape_multiple", 1);
  settings.allocation.head_multiple =
      options.integer("head_multiple", settings.allocation.shape_multiple);
  settings.spread = &find_allocation(options.text("allocation", "uniform"));
  if (settings.spread->spread && settings.allocation.budget == BudgetKind::kReleased) {
    throw usage_error("allocation '{}' makes layers differ, which budget 'released' refuses",
                      settings.spread->name)
        .hint("use budget 'exact'");
  }
  settings.allocation.owl_lambda = options.number("owl_lambda", settings.allocation.owl_lambda);
  settings.allocation.cfsp_slope = options.number("cfsp_slope", settings.allocation.cfsp_slope);
  settings.allocation.ecoflap_margin =
      options.number("ecoflap_margin", settings.allocation.ecoflap_margin);
  if (!settings.spread->criterion.empty()) {
    settings.layers =
        criterion_for(UnitKind::kLayer, options, "layers", settings.spread->criterion);
  }
  if (!(settings.allocation.owl_lambda >= 0 && settings.allocation.cfsp_slope >= 0 &&
        settings.allocation.ecoflap_margin >= 0)) {
    throw usage_error(
        "width.owl_lambda, width.cfsp_slope and width.ecoflap_margin must not be negative");
  }
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

// A number of each layer.
std::vector<double> layer_scores(const std::string& criterion, Measure& measure) {
  std::vector<double> values;
  for (const at::Tensor& score_1 : measure.scores(criterion)) {
    values.push_back(score_1.item<double>());
  }
  return values;
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  const WidthSettings settings = read_settings(input.config, input.options);
  WidthCounts counts = allocate(input, settings);
  const auto* groups = scores_if_needed(counts.kv_groups, measure, settings.heads);
  const auto* neurons = scores_if_needed(counts.neurons, measure, settings.neurons);
  if (const Allocation& row = *settings.spread; row.spread) {
    // In one list groups may go where equal counts take none.
    const bool groups_may_go = settings.allocation.rule != WidthRule::kMlpOnly;
    if (row.ranks_kinds_together) {
      if (groups_may_go) groups = &measure.scores(settings.heads);
      neurons = &measure.scores(settings.neurons);
    }
    std::vector<double> layers;
    if (!settings.layers.empty()) layers = layer_scores(settings.layers, measure);
    counts = row.spread({input.config, counts, {groups, neurons}, &layers, settings.allocation});
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
              {"allocation", settings.spread->name},
              {"heads", settings.heads},
              {"neurons", settings.neurons}};
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

std::vector<std::string> criteria(const ModelConfig& config, const Options& options) {
  const WidthSettings settings = read_settings(config, options);
  std::vector<std::string> names;
  if (settings.allocation.rule != WidthRule::kMlpOnly) names.push_back(settings.heads);
  names.push_back(settings.neurons);
  if (!settings.layers.empty()) names.push_back(settings.layers);
  return names;
}

}  // namespace

Branch amp_width_branch() {
  return {'G',
          "width",
          "the lowest KV groups and neurons of every layer, by a criterion (AMP)",
          count,
          propose,
          true,
          with_defaults,
          criteria};
}

}  // namespace mop
