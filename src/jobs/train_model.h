// jobs/train_model.h -- trains a model value by a recipe; shared by `mop recover`, `mop train`
// and pruning with recovery.
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
#include "recipe/recover_recipe.h"
#include "run/pictures.h"
#include "text/tokenizer.h"

namespace mop {

/// The texts of a training run.
struct TrainingTexts {
  TrainingData data;
  std::optional<TrainingData> validation;
  std::string validation_source;       ///< description for reports
  std::shared_ptr<Pictures> pictures;  ///< of the texts
};
/// Opens the texts for `model`, whose folder may contain a chat template. Warns about data that is
/// not read or not learned. Throws as reading does.
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
  Model model;  ///< with the trained weights
  /// {steps, tokens, scored_tokens, loss, nll_before, nll_best, best_step, ended_by, learning_rate,
  /// trials [{learning_rate, nll}] if the rate was selected}
  Json outcome;
  Json timing;                                ///< {seconds, tokens_per_second}
  std::map<std::string, at::Tensor> adapter;  ///< low-rank factors by name; empty = none
};

/// Trains, or continues from RUN/state. If the recipe has several learning rates and there is
/// held-out text, each is first tried for a tenth of the run (jobs/rate_sweep.h). Every step is
/// a line of RUN/metrics.jsonl: {step, epoch, loss, learning_rate, gradient_norm, tokens,
/// scored_tokens, timing}; a validation is a line with {step, validation_nll}. Lines of equal runs
/// differ only in `timing`.
TrainedModel train_model(const TrainingJob& job, Progress& progress);

}  // namespace mop
