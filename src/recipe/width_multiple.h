// recipe/width_multiple.h -- chooses the multiples of MLP widths if the recipe does not set them:
// the largest ones that still reach the target.
#pragma once
#include <string>
#include <vector>

#include "model/config.h"
#include "recipe/recipe.h"

namespace mop {

/// A branch whose settings do not set `shape_multiple`.
struct OpenWidths {
  std::string branch;
  bool heads = true;  ///< `head_multiple` is not set either
};

/// Sets `shape_multiple` (and `head_multiple`, at most 32, if it is not set either) in the sections
/// of `open`, branches of a resolved recipe. Chooses the largest of 256, 128, 64 and 32 with which
/// the run removes as much as with single neurons, within 0.5% of the quantity that the target
/// counts and a twentieth of the target (for 32: twice that if the difference can never exceed it).
/// If the path depends on measurements, half a pack in every layer must be within that limit; in
/// all cases a pack of every layer must fit into a step. Models too narrow for 32 get the largest
/// power of two that fits. Updates `target.shape_multiple`.
void choose_width_multiples(Recipe& recipe, const std::vector<OpenWidths>& open,
                            const ModelConfig& dense);

/// Describes the multiple of a resolved recipe and why it was chosen; empty if no step removes
/// neurons.
std::string width_multiple_text(const Recipe& recipe, const ModelConfig& dense);

}  // namespace mop
