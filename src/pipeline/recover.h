// pipeline/recover.h -- training as a run: a checkpoint and a recipe in, a trained checkpoint out.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "pipeline/recover_recipe.h"
#include "pipeline/run_folder.h"

namespace mop {

struct RecoverCommand {
  std::filesystem::path out;
  IfThere if_there = IfThere::kRefuse;
};

/// Trains `recipe.model` and leaves in `out` the checkpoint with what was trained in it, adapter/
/// (PEFT's folder; low-rank methods) and run/. Interrupted at any time, it continues with the same
/// losses to the last bit on the CPU. Returns run/metrics.json with the key `out` added. With
/// several ranks the micro-batches are split among them; rank 0 writes everything, the others
/// return null.
Json recover(const RecoverRecipe& recipe, const RecoverCommand& command, Progress& progress,
             Collectives& ranks = one_rank());

struct TrainJob {
  std::filesystem::path config;     ///< config.json or its folder
  std::filesystem::path tokenizer;  ///< folder or file
  RecoverRecipe recipe;             ///< its model is not read
};
/// The same from random weights: matrices normal with the config's `initializer_range` (0.02),
/// norms 1, biases 0, drawn from the recipe's seed; stored as the config's dtype says.
Json train(const TrainJob& job, const RecoverCommand& command, Progress& progress,
           Collectives& ranks = one_rank());

/// Writes such a model's config.json, model.safetensors and tokenizer files into `folder`.
void write_initial_model(const std::filesystem::path& config,
                         const std::filesystem::path& tokenizer, uint64_t seed,
                         const std::filesystem::path& folder);

}  // namespace mop
