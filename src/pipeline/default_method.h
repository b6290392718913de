// pipeline/default_method.h -- what a recipe prunes by when it does not say.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

/// The recipe as given; or with the method of a paper spelled out, where it names nothing but
/// `width.criterion` (width in one round), `depth.rule` (whole layers), settings of `gates` (in one
/// round) or of `vision` (the tower alone, in one round); or with a path of no steps, where it asks
/// for single weights alone; or with the default method, where it names no part of another one:
/// units of the least predicted damage wherever they are, unless equally many from every layer do
/// better on held-out text; what is left is repaired in every round.
Json with_method(const Json& recipe);

/// Whether single weights become zero and nothing else happens: `weights` is there, and nothing
/// that a structural pruning has.
bool asks_for_weights_alone(const Json& recipe);

/// One line where a setting alone, without `select` or `branches`, made it MoP's loop over depth
/// and width instead; empty otherwise.
std::string method_note(const Json& recipe);

/// What the default method shares with the branch `width`, which is where flags put it.
const std::vector<std::string>& shared_width_keys();

}  // namespace mop
