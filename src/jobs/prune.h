// jobs/prune.h -- mop prune: makes a smaller checkpoint from a dense checkpoint and a recipe.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "recipe/recipe.h"
#include "run/run_folder.h"

namespace mop {

struct PruneCommand {
  std::filesystem::path out;
  IfThere if_there = IfThere::kRefuse;
};

/// Runs `recipe` and writes the checkpoint and run/ to `out`: equal recipes give equal bytes,
/// whether or not the run was interrupted and resumed. Returns run/metrics.json with the key `out`
/// added. Reports to `progress` what it will do and need before it starts. With several ranks the
/// samples are distributed; rank 0 writes all files, the others return null.
Json prune(const Recipe& recipe, const PruneCommand& command, Progress& progress,
           Collectives& ranks = one_rank());

/// Returns what `prune` would do: the resolved recipe, the accounting (null if the path depends on
/// measurements), needs and warnings; `after`: the expected result, {parameters, block_parameters,
/// shape, costs, estimated}, null if unknown. `estimated`: the totals hold to a pack, but
/// measurements determine their distribution over layers; `goal`: {name, unit, dense, pruned} if
/// the target counts another currency with known costs, else null. Times are included if an earlier
/// run into `out` measured them.
Json dry_run(const Recipe& recipe, Progress& progress, const std::filesystem::path& out = {});

}  // namespace mop
