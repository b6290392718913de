// pipeline/recipe.h -- everything a run depends on, as a value and as YAML. Flags are settings of
// the same keys, so that a run's resolved recipe alone repeats it.
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
  std::string plan;         ///< replay this plan.json instead of searching; then there is no target
  std::string calibration;  ///< text file
  SampleOptions samples;    ///< which of its samples, and how long
  std::string images;       ///< folder of their pictures; empty = that of each file
  std::string validation;   ///< text file; empty = samples behind the calibration ones
  Target target;
  std::string size;  ///< that of the target as it was given, "6GB"; empty = none
  std::string select = "random";
  uint64_t seed = 0;             ///< of the selector and of drawn samples
  std::vector<int64_t> protect;  ///< layers of the dense model; negative ones count from the end
  std::vector<std::string> branches = {"depth", "width"};
  std::map<std::string, Json> settings;  ///< of branches and criteria, by name
  std::string device = "cpu";
  std::string dtype;            ///< to compute in; empty = float32 on the CPU, bfloat16 on a GPU
  Json repair;                  ///< new values for what is left, see run_repair.h; null = none
  Json weights;                 ///< single weights that become zero, see run_weights.h; null = none
  Json recovery;                ///< training of the result, see prune_recovery.h; null = none
  bool recovers_steps = false;  ///< training follows every step, and not the last alone
  std::string method_note;      ///< see default_method.h; for people, no part of what is written
};

/// Reads the sections below. Throws Error(kUsage) for an unknown key (the known ones are listed), a
/// value of the wrong type, or an unknown branch or selector.
///   model, plan, calibration {file, samples, sample, max_tokens, images}, validation {file},
///   target {iterations | remove | size, of, rounds, currency}, select, seed, protect, branches,
///   compute {device, dtype}, repair {see run_repair.h}, weights {see run_weights.h}, recovery {see
///   recover_recipe.h}, and one section per branch and per criterion that has settings
Recipe recipe_from_json(const Json& json);
Json to_json(const Recipe& recipe);
/// The file's keys as written, ready for `set`. `.yaml`, `.yml` or `.json`.
Json read_recipe(const std::filesystem::path& path);

/// Sets one key: ("width.budget", "released"). The value is read as YAML would read it.
void set(Json& recipe, std::string_view key, Json value);
/// The same from one text, `width.budget=released`. Throws Error(kUsage) when there is no '='.
void set(Json& recipe, std::string_view assignment);

/// Fills in what depends on the model (rule, dtype, sample length, the positions of `protect`) and
/// checks that the parts fit together. Throws Error(kUsage).
Recipe resolve(Recipe recipe, const ModelConfig& model);

/// The part of a resolved recipe that the loop needs. A path's unused branches are left out.
MixRecipe mix_recipe(const Recipe& recipe);

/// What each step of the run should remove.
BudgetFunction budget_function(const Recipe& recipe, const ModelConfig& dense);

/// Sizes after each step when the path is known before the run (path, random); nullopt when it
/// depends on figures. Throws Error(kBadInput) when the target cannot be reached.
std::optional<Accounting> known_accounting(const Recipe& recipe, const ModelConfig& dense);

/// What a run whose path or sizes depend on figures will about come to: as if it took its branches
/// in turn, each by its `count`. nullopt when even that cannot be told.
std::optional<Accounting> estimated_accounting(const Recipe& recipe, const ModelConfig& dense);

/// Throws Error(kBadInput) for a target that is out of reach, as far as sizes tell.
void check_reach(const Recipe& recipe, const ModelConfig& dense);

}  // namespace mop
