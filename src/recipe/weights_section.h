// recipe/weights_section.h -- the section `weights` of a pruning recipe.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"
#include "model/config.h"
#include "recipe/recipe.h"
#include "repair/sparse_weights.h"

namespace mop {

/// Returns {method, sparsity | pattern} with defaults, and {damping, block} or {seed} for methods
/// that have them. Throws Error(kUsage) for an unknown method, a key of another method, or a number
/// out of range.
Json resolved_weights(const Json& section, uint64_t seed);

/// The settings of a resolved section.
SparseOptions sparse_options(const Json& resolved);

/// Throws Error(kUsage) if a pattern's groups do not divide the inputs of the projections of
/// `config`, the result's sizes.
void check_pattern(const Json& weights, const ModelConfig& config);

/// The same before a run whose measurements decide the sizes of layers: groups must divide the
/// dense sizes, and the multiples that the branches of the resolved recipe keep.
void check_pattern_of_any_sizes(const Recipe& recipe, const ModelConfig& dense);

/// Describes the section, e.g. "sparsegpt, 2:4".
std::string weights_text(const Json& weights);

}  // namespace mop
