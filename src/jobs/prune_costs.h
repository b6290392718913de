// jobs/prune_costs.h -- prices in the currency of a run's target.
#pragma once
#include <filesystem>
#include <memory>

#include "collectives/collectives.h"
#include "jobs/prepared_run.h"

namespace mop {

/// Bytes of the dense model's weights as its files store them, in which the result is written: of
/// most of them, and what others have beyond that.
CostInputs stored_costs(const Model& dense);
/// The same by the type that a config.json names; float32 where it names none.
CostInputs costs_by_config(const Json& config, const std::string& where);

/// Sets the costs of a measured currency: those that `file` has of an earlier run, or by measuring
/// now, which is then written there, so that a run that goes on takes the same steps. All ranks
/// take rank 0's; others give no file. Does nothing for other currencies.
void complete_costs(PreparedRun& run, const std::filesystem::path& file, Collectives& ranks,
                    Progress& progress);

/// Costs of the dense model and of `after` in every currency but parameters: [{name, unit, dense,
/// pruned}], bytes as the checkpoint stores its weights. Times are told where `run`'s target has
/// measured them.
Json costs_json(const PreparedRun& run, const ModelConfig& after);

/// Times that an earlier run into `out` has measured on this model; null when there are none.
std::shared_ptr<const Costs> measured_costs(const PreparedRun& run,
                                            const std::filesystem::path& out);

}  // namespace mop
