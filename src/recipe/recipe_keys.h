// recipe/recipe_keys.h -- checks the keys of a recipe.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

/// Throws Error(kUsage) for unknown keys, listing the known ones, and for settings of parts that
/// the recipe does not use, naming what they belong to.
void check_recipe_keys(const Json& recipe, const std::vector<std::string>& branches);

}  // namespace mop
