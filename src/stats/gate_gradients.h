// stats/gate_gradients.h -- gradients of the loss by gates on units: by a factor, 1, on what a KV
// group sends to o_proj or a neuron to down_proj. That is the sum over the unit's columns of weight
// times gradient, for one number a unit instead of one a weight.
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
  /// gates_SU: for each sequence of a piece the gradient of its loss (the sum over its tokens but
  /// the first of the cross-entropy, in nats) by the gates of a layer's KV groups (kHeadOutput) or
  /// neurons (kNeuron); float64 on the compute device.
  std::function<void(int64_t layer, Site site, const at::Tensor& gates_SU)> add;
  std::function<void(int64_t layer)> after_layer;
  int64_t chunk_tokens = 0;  ///< that go through a layer together, about; 0 = what suits the device
  std::filesystem::path scratch = {};  ///< empty: the system's folder for temporary files
};

/// Last layer first. Samples of one token predict nothing and are left out; nothing happens when
/// there is no other.
void walk_gates(const Model& model, const Compute& compute, const TokenSamples& samples,
                const GateWalk& walk, Progress& progress);

}  // namespace mop
