// stats/half_layer_moments.h -- second moments of what enters and leaves the half layers: the Gram
// matrix of the last projection's input and the covariance of the loss's gradient behind it.
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

/// Of one half layer, float32 on the compute device, both symmetric to the bit.
struct HalfLayerMoments {
  int64_t layer = 0;
  Half half = Half::kAttention;
  at::Tensor gram_KK;  ///< sum over tokens of x x^T / tokens, x enters o_proj or down_proj
  /// Sum over tokens of g g^T / tokens, g the gradient of the summed loss by the hidden states
  /// right behind this half layer. Undefined when no gradients are wanted.
  at::Tensor gradients_DD;
  /// With `look_ahead`, and where another half follows, r what that one adds to the hidden states:
  /// sum r x^T / tokens, and sum r r^T / tokens.
  at::Tensor next_DK = {}, next_DD = {};
  int64_t tokens = 0;
};

struct MomentsOptions {
  bool gradients = true;
  bool look_ahead = false;   ///< `next_DK` and `next_DD`; wants the gradients
  int64_t piece_tokens = 0;  ///< that go through a layer together, about; 0 = what suits the device
};

/// The loss is the sum over all tokens but each sample's first of the cross-entropy, in nats, of
/// the model's prediction of it. Samples of one token predict nothing and are left out; throws
/// Error(kBadInput) when no other is there, and where a moment is not finite.
///
/// With gradients: one forward pass, then every layer is run again with a tape, last layer first
/// and the MLP before the attention. Without: one forward pass, in the order of execution. A layer
/// without attention or MLP has no such half. Hidden states between the layers lie in files of the
/// folder `scratch`; beside them there are, at one time, the weights and moments of one layer and
/// the activations of one piece. `visit` may keep what it is given.
///
/// Source: Kronecker-factored curvature (arXiv 1503.05671), as used for pruning in 2312.17244.
void walk_half_layer_moments(const Model& model, const Compute& compute,
                             const TokenSamples& samples, const std::filesystem::path& scratch,
                             const std::function<void(const HalfLayerMoments&)>& visit,
                             Progress& progress = silent_progress(),
                             const MomentsOptions& options = {});

}  // namespace mop
