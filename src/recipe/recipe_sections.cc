// recipe/recipe_sections.cc
#include "recipe/recipe_sections.h"

#include <algorithm>

#include "base/error.h"
#include "recipe/recipe_options.h"
#include "recipe/recover_options.h"

namespace mop {
namespace {

const OptionSpec& find_option(const std::vector<OptionSpec>& options, std::string_view name) {
  const auto it = std::ranges::find(options, name, &OptionSpec::name);
  if (it != options.end()) return *it;
  throw internal_error("no setting '{}' is declared", name);
}

struct Key {
  std::string_view section, name;
};
Key split(std::string_view key) {
  const size_t dot = key.find('.');
  if (dot == key.npos) return {"", key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace

std::span<const RecipeSection> prune_sections() {
  namespace options = recipe_options;
  static const std::vector<RecipeSection> sections = {
      {"",
       "what stands in no section",
       {options::kModel, options::kPlan, options::kSelect, options::kSeed, options::kProtect,
        options::kBranches, options::kUniform}},
      {"calibration",
       "text for measurements",
       {options::kCalibration, options::kImages, options::kSamples, options::kSample,
        options::kMaxTokens}},
      {"validation", "held-out text for evaluating candidates", {options::kValidation}},
      {"target",
       "when the run ends",
       {options::kIterations, options::kRemove, options::kRounds, options::kOf, options::kCurrency,
        options::kSize}},
      {"compute", "where and in what", {options::kDevice, options::kDtype}},
      {"repair",
       "new values for the remaining weights; a repair's own settings are here too",
       {options::kRepair, options::kWhen}},
      {"weights",
       "single weights set to zero; a method's own settings are here too",
       {options::kWeights, options::kSparsity, options::kPattern}},
      {"recovery",
       "training of the pruned model; the settings of `mop list recovery` are here too",
       {options::kRecoveryWhen}}};
  return sections;
}

std::span<const RecipeSection> recover_sections() {
  namespace options = recover_options;
  static const std::vector<RecipeSection> sections = {
      {"",
       "what stands in no section",
       {options::kModel, options::kMethod, options::kTeacher, options::kEpochs, options::kTokens,
        options::kMinutes, options::kLearningRate, options::kSchedule, options::kWarmup,
        options::kWeightDecay, options::kClip, options::kBatch, options::kAccumulate,
        options::kRule, options::kPatience, options::kValidateEvery, options::kSaveEvery,
        options::kSeed}},
      {"data",
       "training text",
       {options::kData, options::kImages, options::kTemplate, options::kMaxTokens, options::kEos,
        options::kShuffle, options::kPackTokens}},
      {"validation", "held-out text", {options::kValidation, options::kHeldOut}},
      {"lora", "low-rank additions", find_method("lora").options},
      {"distil", "distillation from the dense model", find_method("distil").options},
      {"memory", "memory use", {options::kActivationGib, options::kPieceTokens}},
      {"compute", "where and in what", {options::kDevice, options::kDtype}}};
  return sections;
}

const std::vector<OptionSpec>& options_of(std::span<const RecipeSection> sections,
                                          std::string_view name) {
  const auto it = std::ranges::find(sections, name, &RecipeSection::name);
  if (it != sections.end()) return it->options;
  throw internal_error("no section '{}' is declared", name);
}

const OptionSpec& prune_setting(std::string_view key) {
  const auto [section, name] = split(key);
  const auto own = std::ranges::find(prune_sections(), section, &RecipeSection::name);
  return find_option(own != prune_sections().end() ? own->options : find_branch(section).options,
                     name);
}

const OptionSpec& recover_setting(std::string_view key) {
  const auto [section, name] = split(key);
  return find_option(options_of(recover_sections(), section), name);
}

}  // namespace mop
