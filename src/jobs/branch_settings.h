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

/// Returns a line for each setting that changes nothing in this run: those beside a replayed plan,
/// of allocations and criteria that no branch reads, and limits that the model never reaches.
std::vector<std::string> settings_without_effect(const PreparedRun& run);

}  // namespace mop
