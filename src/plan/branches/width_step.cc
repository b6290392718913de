// plan/branches/width_step.cc
#include "plan/branches/width_step.h"

#include "model/family.h"

namespace mop {
namespace {

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

}  // namespace

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
    LayerRemoval removal{.layer = layer.source, .whole = false};
    removal.heads = pick(layer.heads, heads_of(groups, model.config().layers[i].group()));
    removal.kv_heads = pick(layer.kv_heads, groups);
    removal.neurons = pick(layer.neurons, neurons);
    step.removals.push_back(std::move(removal));
  }
  step.parameters =
      total_parameters(after_step(model.config(), shapes_after(model.config(), counts)));
  return step;
}

}  // namespace mop
