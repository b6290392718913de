// plan/branches/width_step.h -- shared by branches that remove KV groups and neurons.
#pragma once
#include <vector>

#include "base/option.h"
#include "base/options.h"
#include "plan/branch.h"

namespace mop {

/// Range of options whose products with the sizes of a model must stay within 64 bits.
OptionRange multiple_range();
extern const Option<int64_t> kShapeMultiple, kHeadMultiple;
/// The options `min_kv_groups`, `shape_multiple` and `head_multiple`.
std::vector<OptionSpec> multiple_options();
/// Reads them from a branch's section.
void read_multiples(const Options& options, WidthOptions& widths);

/// Returns what removal of units in these multiples leaves; heads stay with rule mlp-only.
Reach reach_of_units(const WidthOptions& widths);

/// Units removed from one layer, as increasing indices in the current layer.
struct WidthUnits {
  IndexList kv_groups, neurons;
};

/// Returns the sizes after removing `counts`; a layer left without any units is removed.
ShapeStep shapes_after(const ModelConfig& config, const WidthCounts& counts);

/// Returns the step that removes `units`, one entry per layer; nothing is owed after it. If all
/// units of a half are removed, the half is removed with norm and biases; if all units of a layer,
/// the layer.
PlanStep width_step(const std::string& branch, const Model& model,
                    const std::vector<WidthUnits>& units);

}  // namespace mop
