// pipeline/step_costs.h -- what the steps of a run cost beside each other, for estimates of the
// time left.
#pragma once
#include <vector>

#include "base/progress.h"
#include "pipeline/run_plan.h"

namespace mop {

/// One for each step that is expected: its statistics pass when the branches it may take measure
/// activations, then its validation when the selector compares, in tokens times layers.
std::vector<StepCosts> step_costs(const PreparedRun& run);

}  // namespace mop
