// pipeline/step_costs.h -- what the steps of a run cost beside each other, for estimates of the
// time left.
#pragma once
#include <vector>

#include "base/progress.h"
#include "pipeline/run_plan.h"

namespace mop {

/// One for each step that is expected, in tokens times layers: its statistics pass when the
/// branches it may take measure activations, the pass of its damage curves, repair and validation
/// of every candidate where steps are repaired, then the validation when the selector compares.
std::vector<StepCosts> step_costs(const PreparedRun& run);

}  // namespace mop
