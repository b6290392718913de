// plan/branches/width_step.cc
#include "plan/branches/width_step.h"

#include "model/family.h"

namespace mop {
namespace {

const Option<int64_t> kMinKvGroups = {.name = "min_kv_groups",
                                      .default_value = 1,
                                      .range = multiple_range(),
                                      .help = "minimum number of KV groups per layer"};

// Converts indices in the current layer to indices in the source layer.
IndexList pick(const IndexList& kept, const IndexList& positions) {
  IndexList indices;
  for (const int32_t i : positions) indices.push_back(kept[static_cast<size_t>(i)]);
  return indices;
}

// Indices of the query heads of the given KV heads.
IndexList heads_of(const IndexList& groups, int64_t group_size) {
  IndexList heads;
  for (const int32_t g : groups) {
    for (int64_t i = 0; i < group_size; ++i)
      heads.push_back(static_cast<int32_t>(g * group_size + i));
  }
  return heads;
}

bool is_empty(const LayerShape& shape) { return shape.heads == 0 && shape.mlp == 0; }

// The removal of units of one layer; of the half or the layer if these are all of its units.
LayerRemoval removal_of(const Layer& layer, const WidthUnits& units, int64_t group_size) {
  LayerRemoval removal;
  removal.layer = layer.source;
  const bool all_groups = units.kv_groups.size() == layer.kv_heads.size();
  const bool all_neurons = units.neurons.size() == layer.neurons.size();
  if (all_groups && all_neurons) {
    removal.whole = true;
    return removal;
  }
  removal.attention = all_groups && !units.kv_groups.empty();
  removal.mlp = all_neurons && !units.neurons.empty();
  if (!removal.attention) {
    removal.heads = pick(layer.heads, heads_of(units.kv_groups, group_size));
    removal.kv_heads = pick(layer.kv_heads, units.kv_groups);
  }
  if (!removal.mlp) removal.neurons = pick(layer.neurons, units.neurons);
  return removal;
}

}  // namespace

OptionRange multiple_range() { return between(1, 65536); }

const Option<int64_t> kShapeMultiple = {
    .name = "shape_multiple",
    .unset = "32 to 256, the largest that reaches the target; 1 with budget released",
    .range = multiple_range(),
    .help = "MLP widths are multiples of this; 1 reaches the target exactly"};

const Option<int64_t> kHeadMultiple = {.name = "head_multiple",
                                       .unset = "shape_multiple, at most 32",
                                       .range = multiple_range(),
                                       .help = "heads * head_dim are multiples of this"};

std::vector<OptionSpec> multiple_options() { return {kMinKvGroups, kShapeMultiple, kHeadMultiple}; }

void read_multiples(const Options& options, WidthOptions& widths) {
  widths.min_kv_groups = options.get(kMinKvGroups);
  widths.shape_multiple = options.get(kShapeMultiple, 1);
  widths.head_multiple = options.get(kHeadMultiple, widths.shape_multiple);
}

Reach reach_of_units(const WidthOptions& widths) {
  Reach reach;
  reach.whole_parts = false;
  reach.multiples.push_back({UnitKind::kNeuron, widths.shape_multiple, kShapeMultiple.name});
  reach.kept = KeptUnits{.neurons = widths.shape_multiple};
  if (widths.rule == WidthRule::kMlpOnly) return reach;
  reach.multiples.push_back({UnitKind::kKvGroup, widths.head_multiple, kHeadMultiple.name});
  reach.kept->kv_groups = widths.min_kv_groups;
  return reach;
}

ShapeStep shapes_after(const ModelConfig& config, const WidthCounts& counts) {
  ShapeStep step{{}, {}, counts.owed};
  for (size_t i = 0; i < config.layers.size(); ++i) {
    LayerShape shape = config.layers[i];
    shape.heads -= counts.kv_groups[i] * shape.group();
    shape.kv_heads -= counts.kv_groups[i];
    shape.mlp -= counts.neurons[i];
    if (is_empty(shape) && !is_empty(config.layers[i])) {
      step.removed_layers.push_back(static_cast<int32_t>(i));
    } else {
      step.layers.push_back(shape);
    }
  }
  return step;
}

PlanStep width_step(const std::string& branch, const Model& model,
                    const std::vector<WidthUnits>& units) {
  PlanStep step;
  step.branch = branch;
  WidthCounts counts;
  for (size_t i = 0; i < units.size(); ++i) {
    const Layer& layer = model.layers()[i];
    const auto& [groups, neurons] = units[i];
    counts.kv_groups.push_back(std::ssize(groups));
    counts.neurons.push_back(std::ssize(neurons));
    if (groups.empty() && neurons.empty()) continue;
    step.removals.push_back(removal_of(layer, units[i], model.config().layers[i].group()));
  }
  step.parameters =
      total_parameters(after_step(model.config(), shapes_after(model.config(), counts)));
  return step;
}

}  // namespace mop
