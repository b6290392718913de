// stats/half_layer_moments.h -- second moments at the half layers: the Gram matrix of the last
// projection's input and the second moment of the loss gradient at its output.
//
// Shape letters: N tokens, K inputs of o_proj (heads * head size) or down_proj (neurons), D hidden.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/progress.h"
#include "model/weights.h"
#include "text/samples.h"

namespace mop {

/// Second moments of one half layer, float32 on the compute device, exactly symmetric.
struct HalfLayerMoments {
  int64_t layer = 0;
  Half half = Half::kAttention;
  at::Tensor gram_KK;  ///< mean over tokens of x x^T, x = input of o_proj or down_proj
  /// Mean over tokens of g g^T, g = gradient of the summed loss with respect to the hidden states
  /// after this half layer. Undefined if gradients are not requested.
  at::Tensor gradients_DD;
  /// With `look_ahead`, if another half layer follows: the means over tokens of r x^T and r r^T, r
  /// = what that half layer adds to the hidden states.
  at::Tensor next_DK = {}, next_DD = {};
  int64_t tokens = 0;
};

struct MomentsOptions {
  bool gradients = true;
  bool look_ahead = false;   ///< compute `next_DK` and `next_DD`; requires `gradients`
  int64_t piece_tokens = 0;  ///< approximate tokens per piece; 0 = chosen for the device
};

/// The loss is the sum over all tokens except each sample's first of the model's cross-entropy, in
/// nats. Skips samples of one token, which have nothing to predict; throws Error(kBadInput) if
/// there are no others or if a moment is not finite.
///
/// With gradients: one forward pass, then each layer is run again with a tape, last layer first and
/// the MLP before attention. Without: one forward pass, in execution order. Missing halves are
/// skipped. Hidden states between layers are stored in files in the folder `scratch`; memory holds
/// the weights and moments of one layer and the activations of one piece. `visit` may keep its
/// argument.
///
/// Source: Kronecker-factored curvature (arXiv 1503.05671), as used for pruning in arXiv
/// 2312.17244.
void walk_half_layer_moments(const Model& model, const Compute& compute,
                             const TokenSamples& samples, const std::filesystem::path& scratch,
                             const std::function<void(const HalfLayerMoments&)>& visit,
                             Progress& progress = silent_progress(),
                             const MomentsOptions& options = {});

}  // namespace mop
