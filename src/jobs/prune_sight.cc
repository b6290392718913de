// jobs/prune_sight.cc
#include "jobs/prune_sight.h"

#include <algorithm>

#include "base/error.h"
#include "jobs/tower_scores.h"

namespace mop {
namespace {

bool have_pictures(const TokenSamples& samples, const ModelConfig& config) {
  return std::ranges::any_of(samples.ids, [&](const std::vector<int64_t>& ids) {
    return std::ranges::any_of(ids, [&](int64_t id) { return id >= config.vocab; });
  });
}

// Whether the run evaluates candidates: a selector with a choice, or a branch's allocation.
bool judges(const MixRecipe& mix) {
  const bool chooses =
      find_selector(mix.selector).first->needs_validation && mix.branches.size() > 1;
  return chooses || std::ranges::any_of(mix.branches, [](const BranchUse& use) {
           return use.branch->of_tower && use.branch->judges && use.branch->judges(use.options);
         });
}

constexpr const char* kHint =
    "give records with `image` (docs/llava.md), or use a criterion that reads only weights: "
    "vision.criterion=magnitude";

}  // namespace

std::string check_sight(const PreparedRun& run) {
  const MixRecipe mix = mix_recipe(run.recipe);
  const ModelConfig& config = run.dense.config();
  const auto tower =
      std::ranges::find_if(mix.branches, [](const BranchUse& use) { return use.branch->of_tower; });
  if (run.replay || run.recipe.target.weights_alone || tower == mix.branches.end()) return "";
  const std::vector<std::string> criteria = tower->branch->criteria(config, tower->options);
  const bool measured_on = have_pictures(run.samples.calibration, config);
  if (tower_reads_pictures(criteria) && !measured_on) {
    throw usage_error("the vision tower is measured on images, but no calibration sample has one")
        .hint(kHint);
  }
  if (have_pictures(run.samples.validation, config)) return "";
  if (judges(mix)) {
    throw usage_error(
        "candidates are evaluated on held-out samples, but none has an image, without which damage "
        "of the vision tower is not visible")
        .hint(kHint + std::string(", with --select path:.. or random"));
  }
  return "no held-out sample has an image: the results do not show damage of the vision tower";
}

Model seeing(const Model& model, const PreparedRun& run, const std::filesystem::path& scratch,
             Progress& progress) {
  if (!run.samples.pictures || model.input_rows().defined()) return model;
  return run.samples.pictures->shown_to(model, run.compute, scratch, progress);
}

}  // namespace mop
