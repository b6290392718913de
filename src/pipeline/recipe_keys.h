// pipeline/recipe_keys.h -- which keys a recipe may have.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

/// Throws Error(kUsage) for keys that mean nothing, with the known ones; and for settings of a part
/// that the recipe does not use, saying where they belong.
void check_recipe_keys(const Json& recipe, const std::vector<std::string>& branches);

}  // namespace mop
