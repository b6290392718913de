// recipe/recovery_section.h -- the section `recovery` of a pruning recipe.
#pragma once

#include "base/json.h"
#include "recipe/recipe.h"

namespace mop {

/// Returns the section with defaults: the dense model as teacher, the run's seed, compute choice
/// and validation file. Throws Error(kUsage) as recover_recipe.
Json resolved_recovery(const Recipe& recipe);

}  // namespace mop
