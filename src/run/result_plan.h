// run/result_plan.h -- the plan in a result's folder: removed units, and tensors whose values
// changed.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "plan/plan.h"

namespace mop {

/// Reads RESULT/run/plan.json; nullopt if there is none. Throws as reading it does.
std::optional<PrunePlan> plan_in(const std::filesystem::path& result);

/// Writes WORK/run/plan.json for `model`, a view of `dense` written in WORK: the steps, and the
/// tensors that repair or training changed. `made_by` is the plan's origin; null = none.
void write_plan(const Model& dense, const Model& model, const std::vector<PlanStep>& steps,
                const Json& made_by, const std::filesystem::path& work);

/// Writes WORK/run/plan.json for the trained model in WORK: the plan of `source`, the model that
/// was trained, with the trained values, so that a replay on the dense model gives the same bytes.
/// `outcome` has the {steps, tokens} of the training. Does nothing if `source` has no plan.
void write_recovered_plan(const Model& source, const Model& trained, const Json& outcome,
                          const std::filesystem::path& work);

}  // namespace mop
