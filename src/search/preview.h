// search/preview.h -- computes the path of a run in advance, from sizes only.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "search/mix.h"

namespace mop {

/// Returns the letters of the branches that `mix` would take, one per step; nullopt when its
/// selector needs validation figures. Throws Error(kBadInput) when the target cannot be reached.
std::optional<std::string> preview_path(const ModelConfig& dense, const MixRecipe& recipe,
                                        const BudgetFunction& budget);

}  // namespace mop
