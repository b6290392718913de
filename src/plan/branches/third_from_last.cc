// plan/branches/third_from_last.cc -- depth as the authors do it (arXiv 2602.06127): always the
// third layer from the end of the current model, without data and without a score.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "model/family.h"
#include "plan/branches/branches.h"

namespace mop {
namespace {

// Current index of the layer that goes: L-3, or the nearest one before it that is not protected.
int32_t victim(const std::vector<int32_t>& sources, const std::vector<int32_t>& protect) {
  const auto layers = static_cast<int32_t>(sources.size());
  if (layers < 3) {
    throw bad_input("a depth step needs at least 3 layers, the model has {}", layers)
        .hint("lower the target or allow width steps");
  }
  for (int32_t i = layers - 3; i >= 0; --i) {
    if (std::find(protect.begin(), protect.end(), sources[static_cast<size_t>(i)]) ==
        protect.end()) {
      return i;
    }
  }
  throw bad_input(
      "a depth step finds no layer to remove: all {} layers up to the third from the end "
      "are protected",
      layers - 2)
      .hint("protect fewer layers or allow width steps");
}

ShapeStep without_layer(const ModelConfig& config, int32_t index) {
  ShapeStep step{config.layers, {index}, {}};
  step.layers.erase(step.layers.begin() + index);
  return step;
}

ShapeStep count(const BranchInput& input) {
  std::vector<int32_t> sources = input.sources;
  if (sources.empty()) {
    sources.resize(input.config.layers.size());
    std::iota(sources.begin(), sources.end(), 0);
  }
  return without_layer(input.config, victim(sources, input.protect));
}

PlanStep propose(const BranchInput& input, const Model& model, Measure&) {
  const int32_t index = victim(layer_sources(model), input.protect);
  PlanStep step;
  step.branch = "depth";
  step.removals = {{model.layers()[static_cast<size_t>(index)].source, true, {}, {}, {}}};
  step.parameters =
      total_parameters(after_step(model.config(), without_layer(model.config(), index)));
  return step;
}

}  // namespace

Branch third_from_last_branch() {
  return {'L',   "depth", "third-from-last: one whole layer, always the third from the end",
          count, propose, false};
}

}  // namespace mop
