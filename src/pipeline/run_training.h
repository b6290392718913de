// pipeline/run_training.h -- a recipe's training on a model value: what `mop recover`, `mop train`
// and a pruning run with recovery share.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "model/model.h"
#include "pipeline/pictures.h"
#include "pipeline/recover_recipe.h"
#include "text/tokenizer.h"

namespace mop {

/// The texts of a training run.
struct TrainingTexts {
  TrainingData data;
  std::optional<TrainingData> validation;
  std::string validation_source;       ///< in words, for reports
  std::shared_ptr<Pictures> pictures;  ///< theirs
};
/// Text for `model`, whose folder is where a chat template would lie. Warns of what is not read or
/// not learned. Throws what reading throws.
TrainingTexts open_texts(const RecoverRecipe& recipe, std::shared_ptr<const Tokenizer> tokenizer,
                         const Model& model, Progress& progress);

struct TrainingJob {
  const RecoverRecipe& recipe;
  const Model& model;
  std::optional<Model> teacher;
  const TrainingTexts& texts;
  std::filesystem::path run;  ///< keeps state/ and metrics.jsonl
  Collectives& ranks;
};

struct TrainedModel {
  Model model;  ///< with what was trained in it
  /// {steps, tokens, scored_tokens, loss, nll_before, nll_best, best_step, ended_by, learning_rate,
  /// trials [{learning_rate, nll}] when the rate was chosen}
  Json outcome;
  Json timing;                                ///< {seconds, tokens_per_second}
  std::map<std::string, at::Tensor> adapter;  ///< low-rank factors by name; empty = none
};

/// Trains, or continues what RUN/state holds. Where the recipe has several learning rates and text
/// is held out, a tenth of the run is tried with each first (pipeline/rate_sweep.h). Every step is
/// a line of RUN/metrics.jsonl: {step, epoch, loss, learning_rate, gradient_norm, tokens,
/// scored_tokens, timing}; a validation is one with {step, validation_nll}. A line's `timing` alone
/// differs between equal runs.
TrainedModel train_model(const TrainingJob& job, Progress& progress);

}  // namespace mop
