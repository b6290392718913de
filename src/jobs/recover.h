// jobs/recover.h -- mop recover and mop train: makes a trained checkpoint from a checkpoint and
// a recipe.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "recipe/recover_recipe.h"
#include "run/run_folder.h"

namespace mop {

struct RecoverCommand {
  std::filesystem::path out;
  IfThere if_there = IfThere::kRefuse;
};

/// Trains `recipe.model` and writes to `out` the checkpoint with the trained weights, adapter/
/// (PEFT's folder; low-rank methods) and run/. An interrupted run continues with bitwise equal
/// losses on the CPU. Returns run/metrics.json with the key `out` added. With several ranks the
/// micro-batches are distributed; rank 0 writes all files, the others return null.
Json recover(const RecoverRecipe& recipe, const RecoverCommand& command, Progress& progress,
             Collectives& ranks = one_rank());

struct TrainJob {
  std::filesystem::path config;     ///< config.json or its folder
  std::filesystem::path tokenizer;  ///< folder or file
  RecoverRecipe recipe;             ///< `model` is ignored
};
/// Trains from random weights: matrices are normal with the config's `initializer_range` (0.02),
/// norms 1, biases 0, with the recipe's seed and the config's dtype.
Json train(const TrainJob& job, const RecoverCommand& command, Progress& progress,
           Collectives& ranks = one_rank());

/// Writes the initial model's config.json, model.safetensors and tokenizer files into `folder`.
void write_initial_model(const std::filesystem::path& config,
                         const std::filesystem::path& tokenizer, uint64_t seed,
                         const std::filesystem::path& folder);

}  // namespace mop
