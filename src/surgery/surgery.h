// surgery/surgery.h -- a plan step applied to a model gives a model. No weights move.
#pragma once
#include "model/model.h"
#include "plan/plan.h"

namespace mop {

/// The model without the step's units. Checks as it cuts: every unit named is there, indices rise,
/// at least one unit of each kind stays where a kind stays, heads remain whole KV groups. Throws
/// Error(kBadInput).
Model apply(const PlanStep& step, const Model& model);

/// All steps in order, `verify` after each.
Model apply(const PrunePlan& plan, const Model& dense);

/// What a compiler's verifier is to a pass: shapes chain, indices rise and exist, changed tensors
/// have the layer's shape and hold no NaN or infinity, the parameter count equals
/// `expected_parameters` exactly. Throws Error(kInternal).
void verify(const Model& model, int64_t expected_parameters);

}  // namespace mop
