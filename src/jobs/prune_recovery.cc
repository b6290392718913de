// jobs/prune_recovery.cc
#include "jobs/prune_recovery.h"

#include "run/model_source.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// The dense model is the teacher unless the recipe names another one.
bool has_teacher_of_its_own(const PruneRecovery& recovery) {
  return find_method(recovery.recipe.method).needs_teacher &&
         recovery.recipe.teacher != recovery.recipe.model;
}

}  // namespace

std::optional<PruneRecovery> open_recovery(const Recipe& recipe, const Model& dense,
                                           std::shared_ptr<const Tokenizer> tokenizer,
                                           Progress& progress) {
  if (recipe.recovery.is_null()) return std::nullopt;
  if (tokenizer == nullptr) tokenizer = open_tokenizer(recipe.model);
  RecoverRecipe resolved = recover_recipe(recipe.recovery);
  resolved.model = recipe.model;
  if (!resolved.teacher.empty() && resolved.teacher != recipe.model) {
    resolved.teacher = local_model(resolved.teacher, progress).string();
  }
  TrainingTexts texts = open_texts(resolved, std::move(tokenizer), dense, progress);
  return PruneRecovery{std::move(resolved), std::move(texts)};
}

bool judges_training_text(const PruneRecovery& recovery, const Recipe& recipe) {
  const std::string& judged = recipe.validation.empty() ? recipe.calibration : recipe.validation;
  std::error_code none;  // of the built-in text, which is no file
  return fs::equivalent(judged, recovery.recipe.data, none);
}

Json fingerprint(const PruneRecovery& recovery) {
  const TrainingTexts& texts = recovery.texts;
  Json json = {{"samples", texts.data.size()}, {"sha256", texts.data.fingerprint()}};
  if (!texts.pictures->empty()) json["pictures"] = texts.pictures->sha256();
  if (texts.validation) json["validation"] = {{"sha256", texts.validation->fingerprint()}};
  if (has_teacher_of_its_own(recovery)) {
    json["teacher"] = Model::open(recovery.recipe.teacher).checkpoint().fingerprint();
  }
  return json;
}

TrainedModel recover_pruned(const PruneRecovery& recovery, const Model& dense, const Model& pruned,
                            const std::filesystem::path& run, Collectives& ranks,
                            Progress& progress) {
  std::optional<Model> teacher;
  if (find_method(recovery.recipe.method).needs_teacher) {
    teacher = has_teacher_of_its_own(recovery) ? Model::open(recovery.recipe.teacher) : dense;
  }
  const std::filesystem::path shared = ranks.broadcast(std::string_view(run.native()));
  return train_model({recovery.recipe, pruned, std::move(teacher), recovery.texts, shared, ranks},
                     progress);
}

}  // namespace mop
