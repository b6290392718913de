// surgery/surgery.h -- a plan step applied to a model gives a model. No weights move.
#pragma once
#include "model/model.h"
#include "plan/plan.h"

namespace mop {

/// The model without the step's units. Checks as it cuts: every unit named is there, indices rise,
/// at least one unit of each kind stays where its half stays, a half of each layer stays that does
/// not go whole, heads remain whole KV groups. Throws Error(kBadInput).
Model apply(const PlanStep& step, const Model& model);

/// All steps in order, `verify` after each.
Model apply(const PrunePlan& plan, const Model& dense);

/// `pruned`, the model that the plan's steps leave, with the plan's values: views of the tensors of
/// `stored`, the checkpoint that holds them. Throws Error(kBadInput) for a tensor that the model
/// cannot have, that is not stored, or whose bytes are not those that the plan was made with.
Model with_values(const Model& pruned, const PlanValues& values, const Checkpoint& stored);

/// What a plan says of a model that was written as `stored`, whose folder lies at `relative` from
/// the plan's: every changed tensor of `model`, and all of `earlier`, by the names of the source,
/// where layer i of the model is `sources[i]`. Reads all these tensors.
PlanValues values_of(const Model& model, const IndexList& sources, const PlanValues& earlier,
                     const Checkpoint& stored, const std::string& relative);

/// What a compiler's verifier is to a pass: shapes chain, indices rise and exist, changed tensors
/// have the layer's shape and hold no NaN or infinity, the parameter count equals
/// `expected_parameters` exactly. Throws Error(kInternal).
void verify(const Model& model, int64_t expected_parameters);

}  // namespace mop
