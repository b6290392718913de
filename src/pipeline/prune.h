// pipeline/prune.h -- the main job: a dense checkpoint and a recipe in, a smaller checkpoint out.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "pipeline/recipe.h"
#include "pipeline/run_folder.h"

namespace mop {

struct PruneCommand {
  std::filesystem::path out;
  IfThere if_there = IfThere::kRefuse;
};

/// Runs `recipe` and leaves the checkpoint and run/ in `out`: the same recipe gives the same bytes,
/// however often it was interrupted and resumed. Returns run/metrics.json with the key `out` added.
/// Announces on `progress` what it will do and need before it starts. With several ranks the
/// samples are split among them; rank 0 writes everything, the others return null.
Json prune(const Recipe& recipe, const PruneCommand& command, Progress& progress,
           Collectives& ranks = one_rank());

/// What `prune` would do, without doing it: the resolved recipe, the accounting (null when the path
/// depends on measurements), the needs and the warnings; `after`: what it would leave, {parameters,
/// block_parameters, shape, costs, estimated}, null when that cannot be told. `estimated`: the
/// totals hold, while measurements decide how layers share them; `goal`: {name, unit, dense,
/// pruned} where the target counts something else and its prices are known, else null. Times are
/// told where an earlier run into `out` measured them.
Json dry_run(const Recipe& recipe, Progress& progress, const std::filesystem::path& out = {});

}  // namespace mop
