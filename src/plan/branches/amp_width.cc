// plan/branches/amp_width.cc -- width by activation magnitude (AMP, arXiv 2504.21174): the lowest
// KV groups and neurons of every layer go.
#include "allocate/global.h"
#include "base/error.h"
#include "base/json.h"
#include "model/family.h"
#include "plan/branches/branches.h"

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

ShapeStep shapes_after(const ModelConfig& config, const WidthCounts& counts) {
  ShapeStep step{config.layers, {}, counts.owed};
  for (size_t i = 0; i < step.layers.size(); ++i) {
    LayerShape& shape = step.layers[i];
    shape.heads -= counts.kv_groups[i] * shape.group();
    shape.kv_heads -= counts.kv_groups[i];
    shape.mlp -= counts.neurons[i];
  }
  return step;
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

// Current positions -> indices in the source layer.
IndexList pick(const IndexList& kept, const IndexList& positions) {
  IndexList indices;
  for (const int32_t i : positions) indices.push_back(kept[static_cast<size_t>(i)]);
  return indices;
}

// Positions of the query heads that share the given KV heads.
IndexList heads_of(const IndexList& groups, int64_t group_size) {
  IndexList heads;
  for (const int32_t g : groups) {
    for (int64_t i = 0; i < group_size; ++i)
      heads.push_back(static_cast<int32_t>(g * group_size + i));
  }
  return heads;
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  const WidthSettings settings = read_settings(input.config, input.options);
  WidthCounts counts = allocate(input, settings);
  const auto* groups = scores_if_needed(counts.kv_groups, measure, settings.heads);
  const auto* neurons = scores_if_needed(counts.neurons, measure, settings.neurons);
  if (settings.spread == Allocation::kGlobal) {
    counts = spread_by_score(input.config, counts, {groups, neurons}, settings.allocation);
  }
  PlanStep step;
  step.branch = "width";
  step.owed = counts.owed;
  for (size_t i = 0; i < model.layers().size(); ++i) {
    const Layer& layer = model.layers()[i];
    LayerRemoval removal;
    removal.layer = layer.source;
    if (counts.kv_groups[i] > 0) {
      const IndexList lost = lowest((*groups)[i], counts.kv_groups[i]);
      removal.kv_heads = pick(layer.kv_heads, lost);
      removal.heads = pick(layer.heads, heads_of(lost, model.config().layers[i].group()));
    }
    if (counts.neurons[i] > 0) {
      removal.neurons = pick(layer.neurons, lowest((*neurons)[i], counts.neurons[i]));
    }
    if (counts.kv_groups[i] + counts.neurons[i] > 0) step.removals.push_back(std::move(removal));
  }
  step.parameters =
      total_parameters(after_step(model.config(), shapes_after(model.config(), counts)));
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
