// gradient/layer_tape.h -- one decoder layer recorded for autograd.
//
// Shape letters: N tokens of all sequences, concatenated; D hidden.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"

namespace mop {

/// Cost of a recorded forward pass plus its backward pass, in plain forward passes.
inline constexpr int64_t kTapedCost = 3;

/// A layer's input, a leaf of the graph, and its output.
struct LayerTape {
  at::Tensor input_ND, output_ND;
};

/// Runs the layer with gradients enabled. With `through`, the input requires a gradient too, for
/// the layers before. The weights must stay valid and unchanged until the gradient is computed.
LayerTape record_layer(const LayerWeights& weights, const at::Tensor& hidden_ND,
                       const LayerCall& call, bool through);

/// Returns the gradients with respect to `inputs`, tensors of the tape's graph, given the gradient
/// with respect to the tape's output. A gradient is undefined where the output does not depend on
/// the input. Frees the graph.
std::vector<at::Tensor> layer_gradients(const LayerTape& tape,
                                        const std::vector<at::Tensor>& inputs,
                                        const at::Tensor& d_output_ND);

}  // namespace mop
