// recipe/recipe_sections.h -- the sections of recipes and their settings: for reading, help,
// completion and the reference.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/option.h"

namespace mop {

struct RecipeSection {
  std::string name;     ///< empty = top-level settings
  std::string summary;  ///< one line for `mop list`
  std::vector<OptionSpec> options;
};

/// Sections of a pruning recipe, in addition to one per branch and criterion.
std::span<const RecipeSection> prune_sections();
/// Sections of a training recipe: `mop recover`, `mop train`, and the section `recovery` of a
/// pruning recipe.
std::span<const RecipeSection> recover_sections();

/// Returns the declarations of the section `name` of `sections`.
const std::vector<OptionSpec>& options_of(std::span<const RecipeSection> sections,
                                          std::string_view name);

/// Returns the declaration of a setting of a pruning recipe, e.g. "target.remove".
const OptionSpec& prune_setting(std::string_view key);
/// The same for a training recipe.
const OptionSpec& recover_setting(std::string_view key);

}  // namespace mop
