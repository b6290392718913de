// surgery/surgery.h -- applies plan steps to a model. Weights are not copied.
#pragma once
#include "model/model.h"
#include "plan/plan.h"

namespace mop {

/// Returns the model without the step's units. Checks that every unit exists, indices increase, at
/// least one unit of each kind remains in a half that is not removed, at least one half remains in
/// a layer that is not removed, and query heads remain complete KV groups. Throws Error(kBadInput).
Model apply(const PlanStep& step, const Model& model);

/// Applies all steps in order, with `verify` after each.
Model apply(const PrunePlan& plan, const Model& dense);

/// Returns `pruned`, the model after the plan's steps, with the plan's values: views of the tensors
/// of the checkpoint `stored`. Throws Error(kBadInput) for a tensor that the model cannot have,
/// that is missing in `stored`, or whose digest differs.
Model with_values(const Model& pruned, const PlanValues& values, const Checkpoint& stored);

/// Returns the values of a model that was written as `stored`, at `relative` from the plan's
/// folder: every changed tensor of `model` and all of `earlier`, by source names, where layer i of
/// the model is source layer `sources[i]`. Reads these tensors to compute digests.
PlanValues values_of(const Model& model, const IndexList& sources, const PlanValues& earlier,
                     const Checkpoint& stored, const std::string& relative);

/// Checks the model's invariants: shapes match, indices are valid and increasing, changed tensors
/// have the layer's shape and are finite, the parameter count equals `expected_parameters` exactly.
/// Throws Error(kInternal).
void verify(const Model& model, int64_t expected_parameters);

}  // namespace mop
