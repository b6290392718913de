// pipeline/prune_manifest.h -- what a pruning run is, and whether it continues an earlier one.
#pragma once
#include <optional>

#include "base/json.h"
#include "pipeline/prune_recovery.h"
#include "pipeline/run_folder.h"
#include "pipeline/run_plan.h"

namespace mop {

Json prune_manifest(const PreparedRun& run, const std::optional<PruneRecovery>& recovery,
                    int64_t ranks);

/// The run continues what is in its folder, or writes down there what it is: recipe, samples,
/// manifest. Throws Error(kUsage) naming what differs from the earlier run.
void continue_or_record(const RunFolder& folder, const PreparedRun& run, const Json& manifest,
                        Progress& progress);

}  // namespace mop
