// plan/branches/amp_width.cc -- width by the scores of a criterion, by default activation magnitude
// (AMP, arXiv 2504.21174): removes the lowest-scoring KV groups and neurons of every layer.
#include <algorithm>
#include <cmath>

#include "allocate/allocation.h"
#include "base/error.h"
#include "base/json.h"
#include "base/named_table.h"
#include "model/family.h"
#include "plan/branches/branches.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

std::vector<std::string> criteria_of_both() {
  std::vector<std::string> names;
  for (const Criterion& row : all_criteria()) {
    if (row.name.ends_with("-neurons")) names.push_back(row.name.substr(0, row.name.rfind('-')));
  }
  return names;
}

const Option<std::string> kBudget = {.name = "budget",
                                     .default_value = "exact",
                                     .range = one_of({"exact", "released"}),
                                     .help = "arithmetic of a step (`mop list budgets`)"};
const Option<std::string> kRule = {.name = "rule",
                                   .unset = "gqa, or mha if every head has its own KV head",
                                   .range = one_of({"mha", "mlp-only", "gqa"}),
                                   .help = "units that may be removed (`mop list rules`)"};
const Option<std::string> kCriterion = {.name = "criterion",
                                        .default_value = "amp",
                                        .range = {.names = criteria_of_both},
                                        .help =
                                            "criterion of heads and neurons (`mop list criteria`); "
                                            "selects the method if the recipe has no "
                                            "`select`, `branches` or depth rule"};
const Option<std::string> kHeads = {
    .name = "heads", .unset = "`criterion`'s -heads", .help = "criterion that ranks KV groups"};
const Option<std::string> kNeurons = {
    .name = "neurons", .unset = "`criterion`'s -neurons", .help = "criterion that ranks neurons"};
const Option<std::string> kLayers = {
    .name = "layers",
    .unset = "the allocation's own",
    .range = {.names = [] { return criteria_of(UnitKind::kLayer); }},
    .help = "criterion of layers that the allocation reads; random-layers is the control"};
const Option<std::string> kAllocation = {
    .name = "allocation",
    .default_value = "uniform",
    .range = row_of<all_allocations>(),
    .help = "how removed units are distributed over layers (`mop list allocations`)"};

// The branch's section of the recipe.
struct WidthSettings {
  WidthOptions allocation;
  const Allocation* spread = nullptr;
  std::string heads, neurons;  // criteria
  std::string layers;          // criterion that the allocation reads; empty = none
};

std::string criterion_for(UnitKind unit, const Options& options, const Option<std::string>& setting,
                          const std::string& unset) {
  const std::string name = options.get(setting, unset);
  if (find_criterion(name).unit == unit) return name;
  throw usage_error("criterion '{}' ranks {}s, but '{}' needs one that ranks {}s", name,
                    unit_name(find_criterion(name).unit), setting.name, unit_name(unit));
}

// Resolves `criterion` to the criteria of heads and of neurons. If there is none for heads, heads
// are kept.
void read_criteria(const ModelConfig& config, const Options& options, WidthSettings& settings) {
  const std::string both = options.get(kCriterion);
  const bool named = options.given(kHeads).has_value();
  const bool with_heads = is_criterion(both + "-heads") || named;
  const WidthRule rule = with_heads ? default_rule(config) : WidthRule::kMlpOnly;
  settings.allocation.rule = rule_from_name(options.get(kRule, std::string(rule_name(rule))));
  settings.heads = criterion_for(UnitKind::kKvGroup, options, kHeads,
                                 with_heads && !named ? both + "-heads" : "amp-heads");
  settings.neurons = criterion_for(UnitKind::kNeuron, options, kNeurons, both + "-neurons");
  if (with_heads || settings.allocation.rule == WidthRule::kMlpOnly) return;
  throw usage_error("criterion '{}' does not rank heads, but rule '{}' removes them", both,
                    rule_name(settings.allocation.rule))
      .hint("omit the rule, or set a criterion for heads: --set width.heads=amp-heads");
}

WidthSettings read_settings(const ModelConfig& config, const Options& options) {
  WidthSettings settings;
  settings.allocation.budget = budget_from_name(options.get(kBudget));
  read_criteria(config, options, settings);
  read_multiples(options, settings.allocation);
  settings.spread = &find_allocation(options.get(kAllocation));
  if (settings.spread->spread && settings.allocation.budget == BudgetKind::kReleased) {
    throw usage_error(
        "allocation '{}' makes layers differ, which budget 'released' does not support",
        settings.spread->name)
        .hint("use budget 'exact'");
  }
  read_search_settings(options, settings.allocation);
  if (!settings.spread->criterion.empty()) {
    settings.layers = criterion_for(UnitKind::kLayer, options, kLayers, settings.spread->criterion);
  }
  return settings;
}

// Counts only: the total number of removed units does not depend on the scores. Packs of single
// layers come nearer to a budget that must be reached than those of every layer.
WidthCounts allocate(const BranchInput& input, const WidthSettings& settings) {
  const WidthOptions& options = settings.allocation;
  WidthCounts counts = allocate_width(input.config, input.budget, input.owed, options);
  const bool differ = settings.spread->spread != nullptr && options.shape_multiple > 1;
  if (!differ || !input.closing) return counts;
  return in_packs_of_layers(input.config, input.budget, std::move(counts), options);
}

WidthSettings settings_of(const BranchInput& input) {
  WidthSettings settings = read_settings(input.config, input.options);
  settings.allocation.in_full = input.in_full;
  settings.allocation.closing = input.closing;
  return settings;
}

ShapeStep count(const BranchInput& input) {
  const WidthCounts counts = allocate(input, settings_of(input));
  return shapes_after(input.config, counts);
}

// Returns the scores of every layer if any unit of that kind is removed, else null.
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

// One number per layer.
std::vector<double> layer_scores(const std::string& criterion, Measure& measure) {
  std::vector<double> values;
  for (const at::Tensor& score_1 : measure.scores(criterion)) {
    values.push_back(score_1.item<double>());
  }
  return values;
}

PlanStep step_with(const Model& model, const WidthCounts& counts, const GlobalScores& scores) {
  std::vector<WidthUnits> units(model.layers().size());
  for (size_t i = 0; i < units.size(); ++i) {
    units[i].kv_groups = lowest_of(scores.kv_groups, i, counts.kv_groups[i]);
    units[i].neurons = lowest_of(scores.neurons, i, counts.neurons[i]);
  }
  PlanStep step = width_step("width", model, units);
  step.owed = counts.owed;
  return step;
}

std::vector<double> losses_of(const std::vector<WidthCounts>& candidates, const Model& model,
                              const GlobalScores& scores, Measure& measure) {
  std::vector<PlanStep> steps;
  for (const WidthCounts& counts : candidates) steps.push_back(step_with(model, counts, scores));
  std::vector<double> losses;
  for (const Validation& figures : measure.judge(steps)) {
    losses.push_back(std::isnan(figures.nll) ? INFINITY : figures.nll);
  }
  return losses;
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  const WidthSettings settings = settings_of(input);
  WidthCounts counts = allocate(input, settings);
  const auto* groups = scores_if_needed(counts.kv_groups, measure, settings.heads);
  const auto* neurons = scores_if_needed(counts.neurons, measure, settings.neurons);
  if (const Allocation& row = *settings.spread; row.spread) {
    // With one list, groups may be removed even if the uniform counts remove none.
    const bool groups_may_go = settings.allocation.rule != WidthRule::kMlpOnly;
    if (row.ranks_kinds_together) {
      if (groups_may_go) groups = &measure.scores(settings.heads);
      neurons = &measure.scores(settings.neurons);
    }
    std::vector<double> layers;
    if (!settings.layers.empty()) layers = layer_scores(settings.layers, measure);
    const GlobalScores scores = {groups, neurons};
    const auto judge = [&](const std::vector<WidthCounts>& candidates) {
      return losses_of(candidates, model, scores, measure);
    };
    counts = row.spread({.config = input.config,
                         .uniform = counts,
                         .scores = scores,
                         .layers = &layers,
                         .options = settings.allocation,
                         .settings = &input.options,
                         .judge = judge,
                         .note = [&](const std::string& line) { measure.note(line); }});
  }
  return step_with(model, counts, {groups, neurons});
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

// The branch's own options and those of every allocation.
std::vector<OptionSpec> options() {
  std::vector<OptionSpec> all = {kBudget,  kRule,   kCriterion, kHeads,
                                 kNeurons, kLayers, kAllocation};
  for (OptionSpec& spec : multiple_options()) all.push_back(std::move(spec));
  for (const Allocation& row : all_allocations()) {
    for (const OptionSpec& spec : row.options) {
      if (std::ranges::find(all, spec.name, &OptionSpec::name) == all.end()) all.push_back(spec);
    }
  }
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

bool judges(const Options& options) { return find_allocation(options.get(kAllocation)).judges; }

Reach reach(const ModelConfig& dense, const Options& options) {
  const WidthSettings settings = read_settings(dense, options);
  Reach reach = reach_of_units(settings.allocation);
  reach.layers_differ = settings.spread->spread != nullptr;
  reach.neurons_fill = !reach.layers_differ;
  return reach;
}

}  // namespace

Branch amp_width_branch() {
  return {.letter = 'G',
          .name = "width",
          .summary = "lowest-scoring KV groups and neurons of every layer, by a criterion (AMP)",
          .count = count,
          .propose = propose,
          .defaults = with_defaults,
          .criteria = criteria,
          .judges = judges,
          .reach = reach,
          .source = "MoP, arXiv 2602.06127; AMP, arXiv 2504.21174",
          .options = options(),
          .deviations = {1, 2, 3, 6, 7, 12}};
}

}  // namespace mop
