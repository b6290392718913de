// jobs/target_text.h -- where a run stops, for people.
#pragma once
#include <string>

#include "recipe/recipe.h"

namespace mop {

/// "until 30.00% of the parameters are removed", "memory: at most 6.000 GB is left of 13.48 GB, so
/// 55.48% is removed". The recipe is resolved.
std::string target_text(const Recipe& recipe, const ModelConfig& dense);

}  // namespace mop
