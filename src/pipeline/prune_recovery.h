// pipeline/prune_recovery.h -- the section `recovery` of a pruning recipe: what is trained once the
// model has its final shape, before it is written.
#pragma once
#include <filesystem>
#include <optional>

#include "pipeline/recipe.h"
#include "pipeline/run_training.h"

namespace mop {

/// The section with its defaults filled in: the dense model teaches, the run's seed and compute
/// choice hold, the run's validation file judges. Throws Error(kUsage) like recover_recipe.
Json resolved_recovery(const Recipe& recipe);

/// Opened and checked before the run begins.
struct PruneRecovery {
  RecoverRecipe recipe;
  TrainingTexts texts;
};
/// nullopt when the recipe has no such section. Warns of what is not read or not learned. Throws
/// what reading the data throws.
std::optional<PruneRecovery> open_recovery(const Recipe& recipe, const Model& dense,
                                           std::shared_ptr<const Tokenizer> tokenizer,
                                           Progress& progress);

/// {samples, sha256} of the data, for the manifest.
Json fingerprint(const PruneRecovery& recovery);

/// Trains the pruned model; `run` keeps the state. Rank 0's folder counts.
TrainedModel recover_pruned(const PruneRecovery& recovery, const Model& dense, const Model& pruned,
                            const std::filesystem::path& run, Collectives& ranks,
                            Progress& progress);

/// Writes FOLDER/adapter when low-rank additions were trained.
void write_adapter(const RecoverRecipe& recipe, const TrainedModel& trained,
                   const std::filesystem::path& folder);

}  // namespace mop
