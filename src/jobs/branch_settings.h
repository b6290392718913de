// jobs/branch_settings.h -- tells which settings of a run change nothing.
#pragma once
#include <string>
#include <vector>

#include "jobs/prepared_run.h"

namespace mop {

/// Returns a line for each setting that changes nothing in this run: those beside a replayed plan,
/// of allocations and criteria that no branch reads, and limits that the model never reaches.
std::vector<std::string> settings_without_effect(const PreparedRun& run);

}  // namespace mop
