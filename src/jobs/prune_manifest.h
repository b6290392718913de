// jobs/prune_manifest.h -- the manifest of a pruning run, and continuing an earlier run.
#pragma once
#include <optional>

#include "base/json.h"
#include "jobs/prepared_run.h"
#include "jobs/prune_recovery.h"
#include "run/run_folder.h"

namespace mop {

Json prune_manifest(const PreparedRun& run, const std::optional<PruneRecovery>& recovery,
                    int64_t ranks);

/// Continues the run in the folder, or records a new one there: recipe, samples, manifest. Throws
/// Error(kUsage) naming the differences from the earlier run.
void continue_or_record(const RunFolder& folder, const PreparedRun& run, const Json& manifest,
                        Progress& progress);

}  // namespace mop
