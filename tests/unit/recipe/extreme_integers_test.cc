// The largest and smallest integers in every setting: an error or a recipe, and no overflow, which
// the sanitized build of this test reports.
#include <gmock/gmock.h>

#include <limits>

#include "base/error.h"
#include "criteria/criterion.h"
#include "kit/configs.h"
#include "kit/refusal.h"
#include "plan/branch.h"
#include "recipe/recipe.h"
#include "recipe/recipe_sections.h"

namespace mop {
namespace {

using testing::expect_usage_error;
using ::testing::HasSubstr;
using testing::tinystories_12l;

// Paths through the code that resolves a recipe: whole layers, widths by three methods.
const char* const kRecipes[] = {
    R"({"target": {"remove": 0.4}, "select": "path:LGLG"})",
    R"({"target": {"remove": 0.4}, "select": "random", "branches": ["depth", "width"]})",
    R"({"target": {"remove": 0.4, "rounds": 2}, "branches": ["damage", "hidden"]})",
    R"({"target": {"iterations": 3, "of": "blocks"}})"};

// Returns whether there is such a recipe.
bool resolved(Json recipe, const std::string& section, const OptionSpec& spec, int64_t number) {
  const Json value = spec.type == OptionType::kIntegers ? Json{number} : Json(number);
  (section.empty() ? recipe : recipe[section])[spec.name] = value;
  try {
    check_reach(resolve(recipe_from_json(recipe), tinystories_12l()), tinystories_12l());
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(ExtremeIntegers, AreRefusedOrResolved) {
  int64_t settings = 0, refused = 0;
  const auto try_all = [&](const std::string& section, const std::vector<OptionSpec>& options) {
    for (const OptionSpec& spec : options) {
      if (spec.type != OptionType::kInteger && spec.type != OptionType::kIntegers) continue;
      ++settings;
      for (const char* recipe : kRecipes) {
        for (const int64_t number : {std::numeric_limits<int64_t>::max(),
                                     std::numeric_limits<int64_t>::min(), int64_t{1} << 32}) {
          refused += !resolved(Json::parse(recipe), section, spec, number);
        }
      }
    }
  };
  for (const RecipeSection& section : prune_sections()) try_all(section.name, section.options);
  for (const RecipeSection& section : recover_sections()) try_all("recovery", section.options);
  for (const Branch& branch : all_branches()) try_all(branch.name, branch.options);
  for (const Criterion& criterion : all_criteria()) try_all(criterion.name, criterion.options);
  EXPECT_GT(settings, 50);
  EXPECT_GT(refused, settings);
}

TEST(ExtremeIntegers, OfWidthsAndLayersHaveABound) {
  for (const char* setting :
       {"width: {shape_multiple: 65537}", "width: {head_multiple: 9223372036854775807}",
        "width: {min_kv_groups: 65537}", "damage: {shape_multiple: 65537}",
        "hidden: {channel_multiple: 65537}", "depth: {keep_first: 4294967296}",
        "depth: {keep_last: 4294967296}"}) {
    const std::string branch(setting, std::string_view(setting).find(':'));
    const std::string recipe =
        "target: {remove: 0.4, rounds: 2}\nbranches: [" + branch + "]\n" + setting;
    expect_usage_error(
        [&] { resolve(recipe_from_json(parse_yaml(recipe, "test")), tinystories_12l()); },
        "at most 65536");
  }
}

}  // namespace
}  // namespace mop
