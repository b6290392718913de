// stats/backward_walk.h -- one forward pass, then every layer again with a tape, last layer first:
// the gradient of the loss by activations, one layer in memory at a time.
//
// Shape letters: N tokens of a piece, D hidden, X what a site has.
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

/// A piece of whole sequences in one layer.
struct BackwardPiece {
  int64_t layer;
  const Packing& packing;
  int64_t first_token;                       ///< of the piece, among those of all samples
  const at::Tensor& gradient_ND;             ///< by the layer's output
  at::Tensor input_ND = {}, output_ND = {};  ///< hidden states before and behind the layer
  std::map<Site, SiteGradient> sites = {};   ///< of those asked for that the layer has
  LayerMask by_mask = {};  ///< the gradient by the mask's heads and neurons, where it has them
};

struct BackwardVisitor {
  /// Of kHeadOutput, kAttentionOutput and kNeuron: where the gradient is wanted.
  std::vector<Site> sites;
  /// A layer's mask, forward and backward; null or giving null for none.
  std::function<const LayerMask*(int64_t layer)> mask = nullptr;
  /// Told of every activation while a tape is recorded; may be null.
  std::function<void(int64_t layer, Site site, const at::Tensor& value)> look = nullptr;
  std::function<void(const BackwardPiece&)> visit;
  /// After a layer's last piece; may be null. Not of layers that have neither half.
  std::function<void(int64_t layer)> after_layer = nullptr;
};

/// The samples that have something to predict: two tokens or more.
TokenSamples predicting(const TokenSamples& samples);
/// The same. Throws Error(kBadInput) when there is none.
TokenSamples with_targets(const TokenSamples& samples);

/// The loss is the sum over all tokens but each sample's first of the cross-entropy, in nats. Every
/// sample has two tokens or more. Hidden states between the layers lie in files of `scratch`.
/// `piece_tokens` that go through a layer together, about; 0 = what suits the device.
void walk_backward(const Model& model, const Compute& compute, const TokenSamples& samples,
                   const std::filesystem::path& scratch, const BackwardVisitor& visitor,
                   Progress& progress, int64_t piece_tokens = 0);

}  // namespace mop
