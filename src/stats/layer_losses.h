// stats/layer_losses.h -- the loss as a function of changes to one layer. The samples are run up to
// the layer once; each change runs only that layer and those after it.
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

/// One layer that can be evaluated with changed weights or a mask.
class LayerLosses {
 public:
  virtual ~LayerLosses() = default;
  /// The layer's weights, in the compute dtype on its device. Not to be modified: to change one,
  /// copy the struct and replace tensors in the copy.
  virtual const LayerWeights& weights() const = 0;
  virtual int64_t batches() const = 0;
  /// Number of predicted tokens of a batch.
  virtual int64_t predicted(int64_t batch) const = 0;
  /// Returns the mean cross-entropy of a batch with these weights, in nats per predicted token;
  /// `mask` may be null. Throws Error(kBadInput) if it is not finite.
  virtual double loss(int64_t batch, const LayerWeights& weights,
                      const LayerMask* mask = nullptr) = 0;
  /// Returns `mean_loss` without changes; equal for all layers, so computed once.
  double unchanged();

 private:
  std::optional<double> unchanged_;
};

/// Mean cross-entropy over the predicted tokens of all batches.
double mean_loss(LayerLosses& losses, const LayerWeights& weights, const LayerMask* mask = nullptr);

/// Returns the mean cross-entropy of `next` given the hidden states after the last layer, in nats
/// per predicted token. Throws Error(kBadInput) naming what was `changed` if it is not finite.
double finite_mean_loss(WeightLoader& weights, const at::Tensor& hidden_ND, const NextTokens& next,
                        const std::string& changed);

/// Visits every layer, first to last. Skips samples of one token, which have nothing to predict;
/// throws Error(kBadInput) if there are no others. Memory: the hidden states of all samples at one
/// layer.
void walk_layer_losses(const Model& model, const Compute& compute, const TokenSamples& samples,
                       int64_t batch_samples,
                       const std::function<void(int64_t layer, LayerLosses& losses)>& visit,
                       Progress& progress = silent_progress());

}  // namespace mop
