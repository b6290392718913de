// stats/gate_gradients.h -- gradients of the loss with respect to unit gates: a gate is a factor,
// 1, on a KV group's input to o_proj or a neuron's input to down_proj. Its gradient is the sum over
// the unit's columns of weight times gradient, one number per unit instead of one per weight.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/progress.h"
#include "model/forward.h"
#include "text/samples.h"

namespace mop {

struct GateWalk {
  /// gates_SU: per sequence of a piece, the gradient of its loss (sum over all tokens but the first
  /// of the cross-entropy, in nats) with respect to the gates of a layer's KV groups (kHeadOutput)
  /// or neurons (kNeuron); float64 on the compute device.
  std::function<void(int64_t layer, Site site, const at::Tensor& gates_SU)> add;
  std::function<void(int64_t layer)> after_layer;
  int64_t chunk_tokens = 0;            ///< approximate tokens per piece; 0 = chosen for the device
  std::filesystem::path scratch = {};  ///< empty = the system's temporary folder
};

/// Visits layers last to first. Skips samples of one token, which have nothing to predict; does
/// nothing if there are no others.
void walk_gates(const Model& model, const Compute& compute, const TokenSamples& samples,
                const GateWalk& walk, Progress& progress);

}  // namespace mop
