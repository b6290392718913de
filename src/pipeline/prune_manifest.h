// pipeline/prune_manifest.h -- the manifest of a pruning run, and continuing an earlier run.
#pragma once
#include <optional>

#include "base/json.h"
#include "pipeline/prune_recovery.h"
#include "pipeline/run_folder.h"
#include "pipeline/run_plan.h"

namespace mop {

Json prune_manifest(const PreparedRun& run, const std::optional<PruneRecovery>& recovery,
                    int64_t ranks);

/// Continues the run in the folder, or records a new one there: recipe, samples, manifest. Throws
/// Error(kUsage) naming the differences from the earlier run.
void continue_or_record(const RunFolder& folder, const PreparedRun& run, const Json& manifest,
                        Progress& progress);

}  // namespace mop
