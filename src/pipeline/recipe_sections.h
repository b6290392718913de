// pipeline/recipe_sections.h -- what recipes may say, section by section: as they are read, and for
// help, completion and the reference.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/option.h"

namespace mop {

struct RecipeSection {
  std::string name;     ///< empty: the settings that stand in no section
  std::string summary;  ///< one line for `mop list`
  std::vector<OptionSpec> options;
};

/// Of a pruning recipe, which has a section for each branch and criterion besides.
std::span<const RecipeSection> prune_sections();
/// Of a training recipe: `mop recover`, `mop train`, and the section `recovery` of a pruning
/// recipe.
std::span<const RecipeSection> recover_sections();

/// The declarations of the section `name`, which is one of `sections`.
const std::vector<OptionSpec>& options_of(std::span<const RecipeSection> sections,
                                          std::string_view name);

/// The declaration of "target.remove" or "width.budget" in a pruning recipe.
const OptionSpec& prune_setting(std::string_view key);
/// The same of a training recipe.
const OptionSpec& recover_setting(std::string_view key);

}  // namespace mop
