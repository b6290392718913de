// recipe/default_method.h -- the method of a recipe that does not name one.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

/// Returns the recipe with its method made explicit. A recipe that names a method is unchanged. One
/// that names only `width.criterion` (width in one round), `depth.rule` (whole layers), settings of
/// `gates` (one round) or of `vision` (the tower only, one round) gets that paper's method. One
/// with sparsity of single weights only gets a path without steps. Otherwise it gets the default
/// method: removal of the units of least predicted damage anywhere, or equal counts in every layer
/// if that is better on held-out text, with repair in every round.
Json with_method(const Json& recipe);

/// Whether the recipe only sparsifies single weights: it has `weights` and no structural pruning.
bool asks_for_weights_alone(const Json& recipe);

/// Returns a notice that names the settings by which a recipe without `branches` or `plan` selects
/// another method than the default one; empty for the default method.
std::string method_note(const Json& recipe);

/// Settings of the branch `width` that also apply to the default method; flags set them there.
const std::vector<std::string>& shared_width_keys();

}  // namespace mop
