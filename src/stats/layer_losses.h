// stats/layer_losses.h -- what a change of one layer does to the loss. The samples come to the
// layer once; from there on they run again for every change.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "base/progress.h"
#include "model/forward.h"
#include "stats/packed_samples.h"
#include "text/samples.h"

namespace mop {

/// One layer, to be run otherwise than it is.
class LayerLosses {
 public:
  virtual ~LayerLosses() = default;
  /// As they are, in the compute dtype on its device. They stay as they are: who wants others makes
  /// a copy with other tensors in it.
  virtual const LayerWeights& weights() const = 0;
  virtual int64_t batches() const = 0;
  /// Tokens of a batch that are predicted.
  virtual int64_t predicted(int64_t batch) const = 0;
  /// Mean cross-entropy of a batch in nats per predicted token, when the layer has these weights;
  /// `mask` may be null. Throws Error(kBadInput) when it is not finite.
  virtual double loss(int64_t batch, const LayerWeights& weights,
                      const LayerMask* mask = nullptr) = 0;
  /// `mean_loss` with nothing changed. Every layer gives the same, so it is computed once.
  double unchanged();

 private:
  std::optional<double> unchanged_;
};

/// The same over the predicted tokens of all batches.
double mean_loss(LayerLosses& losses, const LayerWeights& weights, const LayerMask* mask = nullptr);

/// Mean cross-entropy of `next` behind the last layer, in nats per predicted token. Throws
/// Error(kBadInput), naming what was `changed`, when it is not finite.
double finite_mean_loss(WeightLoader& weights, const at::Tensor& hidden_ND, const NextTokens& next,
                        const std::string& changed);

/// Visits every layer, from the first on. Samples of one token predict nothing and are left out;
/// throws Error(kBadInput) when no other is there. In memory: the hidden states of all samples at
/// the layer.
void walk_layer_losses(const Model& model, const Compute& compute, const TokenSamples& samples,
                       int64_t batch_samples,
                       const std::function<void(int64_t layer, LayerLosses& losses)>& visit,
                       Progress& progress = silent_progress());

}  // namespace mop
