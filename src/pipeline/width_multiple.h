// pipeline/width_multiple.h -- which multiples a run keeps MLP widths at when its recipe leaves
// that open: the largest that still meets the target.
#pragma once
#include <string>
#include <vector>

#include "model/config.h"
#include "pipeline/recipe.h"

namespace mop {

/// A branch whose settings do not say at which multiples it keeps MLP widths.
struct OpenWidths {
  std::string branch;
  bool heads = true;  ///< nor at which it keeps heads * head_dim
};

/// Sets `shape_multiple` (and `head_multiple`, which no reader wants above 32, where that is open
/// as well) in the sections of `open`, branches of a resolved recipe. The largest of 256, 128, 64
/// and 32 with which the run removes what it removes with single neurons, within 0.5% of what the
/// target counts and a twentieth of the target (32: twice that where it can never come to more).
/// Where a path depends on figures, half a pack in every layer must be that small; everywhere a
/// pack of every layer must fit into a step. Models too narrow for 32 get the largest power of two
/// that does. `target.shape_multiple` follows.
void choose_width_multiples(Recipe& recipe, const std::vector<OpenWidths>& open,
                            const ModelConfig& dense);

/// The multiple of a resolved recipe and why it is that, for people; empty when no step takes
/// neurons.
std::string width_multiple_text(const Recipe& recipe, const ModelConfig& dense);

}  // namespace mop
