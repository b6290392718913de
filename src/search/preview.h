// search/preview.h -- the path of a run before it runs, from sizes alone.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "search/mix.h"

namespace mop {

/// The letters of the branches that `mix` would take, one per step, when its selector needs no
/// figures; nullopt when it does. Throws Error(kBadInput) when the target cannot be reached.
std::optional<std::string> preview_path(const ModelConfig& dense, const MixRecipe& recipe,
                                        const BudgetFunction& budget);

}  // namespace mop
