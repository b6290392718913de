// pipeline/run_costs.h -- prices in the currency of a run's target.
#pragma once
#include <filesystem>
#include <memory>

#include "collectives/collectives.h"
#include "pipeline/run_plan.h"

namespace mop {

/// Of a currency that needs no measurement; null for parameters, which all count by themselves, and
/// for a measured one.
std::shared_ptr<const Costs> costs_without_measurement(const Recipe& recipe);

/// Sets the costs of a measured currency: those that `file` has of an earlier run, or by measuring
/// now, which is then written there, so that a run that goes on takes the same steps. All ranks
/// take rank 0's; others give no file. Does nothing for other currencies.
void complete_costs(PreparedRun& run, const std::filesystem::path& file, Collectives& ranks,
                    Progress& progress);

}  // namespace mop
