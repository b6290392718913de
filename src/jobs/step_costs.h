// jobs/step_costs.h -- relative costs of a run's steps, for estimates of the remaining time.
#pragma once
#include <vector>

#include "base/progress.h"
#include "jobs/prepared_run.h"

namespace mop {

/// Returns the costs of each expected step, in tokens times layers: the statistics pass if its
/// branches measure activations, the pass of damage curves, repair and validation of every
/// candidate if steps are repaired, and the validation if the selector compares candidates.
std::vector<StepCosts> step_costs(const PreparedRun& run);

}  // namespace mop
