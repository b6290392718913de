// stats/backward_walk.h -- gradients of the loss with respect to activations, with one layer in
// memory at a time: one forward pass, then each layer is run again with a tape, last layer first.
//
// Shape letters: N tokens of a piece, D hidden, X units of a site.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "base/progress.h"
#include "model/forward.h"
#include "stats/packed_samples.h"
#include "text/samples.h"

namespace mop {

struct SiteGradient {
  at::Tensor value, gradient;  ///< [N, X], compute dtype, on the compute device
};

/// One layer's results for a piece of complete sequences.
struct BackwardPiece {
  int64_t layer;
  const Packing& packing;
  int64_t first_token;                       ///< index of the piece's first token among all tokens
  const at::Tensor& gradient_ND;             ///< of the loss with respect to the layer's output
  at::Tensor input_ND = {}, output_ND = {};  ///< hidden states before and after the layer
  std::map<Site, SiteGradient> sites = {};   ///< of the requested sites that the layer has
  LayerMask mask_gradient =
      {};  ///< gradient with respect to the mask's heads and neurons, if given
};

struct BackwardVisitor {
  /// Sites whose gradient is requested: kHeadOutput, kAttentionOutput, kNeuron.
  std::vector<Site> sites;
  /// Returns a layer's mask, used in both passes; may be null or return null.
  std::function<const LayerMask*(int64_t layer)> mask = nullptr;
  /// Called with every activation while a tape is recorded; may be null.
  std::function<void(int64_t layer, Site site, const at::Tensor& value)> observe = nullptr;
  std::function<void(const BackwardPiece&)> visit;
  /// Called after a layer's last piece; may be null. Not called for layers that have neither half.
  std::function<void(int64_t layer)> after_layer = nullptr;
};

/// Returns the samples with at least two tokens, which have a token to predict.
TokenSamples drop_single_tokens(const TokenSamples& samples);
/// The same; throws Error(kBadInput) if there are none.
TokenSamples with_targets(const TokenSamples& samples);

/// The loss is the sum over all tokens except each sample's first of the cross-entropy, in nats.
/// Every sample must have at least two tokens. Hidden states between layers are stored in files in
/// `scratch`. About `piece_tokens` tokens are processed together; 0 = chosen for the device.
void walk_backward(const Model& model, const Compute& compute, const TokenSamples& samples,
                   const std::filesystem::path& scratch, const BackwardVisitor& visitor,
                   Progress& progress, int64_t piece_tokens = 0);

}  // namespace mop
