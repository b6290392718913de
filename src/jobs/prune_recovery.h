// jobs/prune_recovery.h -- the section `recovery` of a pruning recipe: training of the pruned
// model before it is written.
#pragma once
#include <filesystem>
#include <optional>

#include "jobs/train_model.h"
#include "recipe/recipe.h"

namespace mop {

/// The opened and checked inputs of the training.
struct PruneRecovery {
  RecoverRecipe recipe;
  TrainingTexts texts;
};
/// Returns nullopt if the recipe has no such section. Warns about data that is not read or not
/// learned. Throws as reading the data does.
std::optional<PruneRecovery> open_recovery(const Recipe& recipe, const Model& dense,
                                           std::shared_ptr<const Tokenizer> tokenizer,
                                           Progress& progress);

/// Returns whether the figures of the run judge samples of the file that is trained on.
bool judges_training_text(const PruneRecovery& recovery, const Recipe& recipe);

/// Returns {samples, sha256} of the data, for the manifest.
Json fingerprint(const PruneRecovery& recovery);

/// Trains the pruned model; the state is kept in `run` on rank 0.
TrainedModel recover_pruned(const PruneRecovery& recovery, const Model& dense, const Model& pruned,
                            const std::filesystem::path& run, Collectives& ranks,
                            Progress& progress);

}  // namespace mop
