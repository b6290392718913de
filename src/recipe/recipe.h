// recipe/recipe.h -- a pruning recipe: all settings of a run, as a value and as YAML. Flags set
// the same keys, so that a resolved recipe alone reproduces a run.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "plan/accounting.h"
#include "plan/target.h"
#include "search/mix.h"
#include "text/samples.h"

namespace mop {

/// The defaults are those of `mop prune`.
struct Recipe {
  std::string model;        ///< folder of the dense checkpoint
  std::string plan;         ///< plan.json to replay instead of searching; excludes a target
  std::string calibration;  ///< text file
  SampleOptions samples;    ///< selection and length of its samples
  std::string images;       ///< folder of their images; empty = that of each file
  std::string validation;   ///< text file; empty = the samples after the calibration samples
  Target target;
  std::string size;  ///< target.size as written, "6GB"; empty = none
  std::string select = "random";
  uint64_t seed = 0;             ///< of the selector and of random samples
  std::vector<int64_t> protect;  ///< layers of the dense model; negative ones count from the end
  std::vector<std::string> branches = {"depth", "width"};
  std::map<std::string, Json> settings;  ///< of branches and criteria, by name
  std::string device = "cpu";
  std::string dtype;  ///< compute dtype; empty = float32 on the CPU, bfloat16 on a GPU
  Json repair;        ///< repair of the remaining weights, see repair_section.h; null = none
  Json weights;       ///< sparsity of single weights, see weights_section.h; null = none
  Json recovery;      ///< training of the result, see recovery_section.h; null = none
  bool recovers_steps = false;  ///< train after every step, not only after the last
  std::string method_note;      ///< notice for the user, see default_method.h; not serialised
};

/// Reads the sections below. Throws Error(kUsage) for an unknown key (listing the known ones), a
/// value of the wrong type, or an unknown branch or selector.
///   model, plan, calibration {file, samples, sample, max_tokens, images}, validation {file},
///   target {iterations | remove | size, of, rounds, currency}, select, seed, protect, branches,
///   compute {device, dtype}, repair {see repair_section.h}, weights {see weights_section.h},
///   recovery {see recover_recipe.h}, and one section per branch and per criterion that has
///   settings
Recipe recipe_from_json(const Json& json);
Json to_json(const Recipe& recipe);
/// Returns the file's keys as written, for use with `set`. `.yaml`, `.yml` or `.json`.
Json read_recipe(const std::filesystem::path& path);

/// Sets one key, e.g. ("width.budget", "released"). The value is parsed as YAML.
void set(Json& recipe, std::string_view key, Json value);
/// The same for text such as `width.budget=released`. Throws Error(kUsage) without '='.
void set(Json& recipe, std::string_view assignment);

/// Fills in settings that depend on the model (rule, dtype, sample length, the layer numbers of
/// `protect`) and checks that the settings are consistent. Throws Error(kUsage).
Recipe resolve(Recipe recipe, const ModelConfig& model);

/// Returns the part of a resolved recipe that the loop uses, without branches that the path does
/// not use.
MixRecipe mix_recipe(const Recipe& recipe);

/// Returns the function that gives each step's budget.
BudgetFunction budget_function(const Recipe& recipe, const ModelConfig& dense);

/// Returns the sizes after each step if the path is known before the run (path, random); nullopt if
/// it depends on measurements. Throws Error(kBadInput) if the target cannot be reached.
std::optional<Accounting> known_accounting(const Recipe& recipe, const ModelConfig& dense);

/// Estimates the sizes of a run whose path or sizes depend on measurements, assuming that the
/// branches take turns; nullopt if no estimate is possible.
std::optional<Accounting> estimated_accounting(const Recipe& recipe, const ModelConfig& dense);

/// Throws Error(kBadInput) for a target that cannot be reached, as far as sizes tell.
void check_reach(const Recipe& recipe, const ModelConfig& dense);

}  // namespace mop
