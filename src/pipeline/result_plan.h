// pipeline/result_plan.h -- the plan beside a result: what was removed, and the values that
// changed.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "plan/plan.h"

namespace mop {

/// RESULT/run/plan.json; nullopt when there is none. Throws what reading it throws.
std::optional<PrunePlan> plan_in(const std::filesystem::path& result);

/// Writes WORK/run/plan.json for `model`, a view of `dense` that WORK holds: the steps, and the
/// tensors that repair or training changed. `made_by` says how it came about; null = nothing.
void write_plan(const Model& dense, const Model& model, const std::vector<PlanStep>& steps,
                const Json& made_by, const std::filesystem::path& work);

/// Writes WORK/run/plan.json for the trained model that WORK holds: the plan that made `source`,
/// the model that was trained, with the values that training left, so that replaying it on the
/// dense model gives the same bytes. Nothing when `source` has no plan.
void write_recovered_plan(const Model& source, const Model& trained,
                          const std::filesystem::path& work);

}  // namespace mop
