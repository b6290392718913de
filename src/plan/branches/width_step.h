// plan/branches/width_step.h -- what the branches that take KV groups and neurons share.
#pragma once
#include <vector>

#include "base/option.h"
#include "base/options.h"
#include "plan/branch.h"

namespace mop {

extern const Option<int64_t> kShapeMultiple;
/// `min_kv_groups`, `shape_multiple` and `head_multiple`.
std::vector<OptionSpec> multiple_options();
/// The same of a branch's section.
void read_multiples(const Options& options, WidthOptions& widths);

/// Units that go from one layer, as rising positions in the current layer.
struct WidthUnits {
  IndexList kv_groups, neurons;
};

/// The sizes after so many KV groups and neurons went from each layer; a layer that is left without
/// any goes whole.
ShapeStep shapes_after(const ModelConfig& config, const WidthCounts& counts);

/// The step that removes `units`, one entry per layer; nothing is owed after it. All units of a
/// half are that half, norm and biases included, and all of a layer are the layer.
PlanStep width_step(const std::string& branch, const Model& model,
                    const std::vector<WidthUnits>& units);

}  // namespace mop
