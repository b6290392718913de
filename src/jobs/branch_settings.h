// jobs/branch_settings.h -- what the sections of a run's branches mean before anything is measured.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "jobs/prepared_run.h"
#include "plan/branch.h"

namespace mop {

/// Returns the resolved section of a branch; empty if there is none.
Json settings_of(const PreparedRun& run, const std::string& branch);

/// Whether measurements decide how many units each layer loses.
bool may_differ(const Branch& branch, const Json& settings);

/// Returns a warning for each section of a criterion that no branch of the run reads.
std::vector<std::string> criteria_without_effect(const PreparedRun& run);

}  // namespace mop
