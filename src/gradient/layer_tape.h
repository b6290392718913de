// gradient/layer_tape.h -- one decoder layer recorded for its gradient.
//
// Shape letters: N tokens of all sequences laid end to end, D hidden.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"

namespace mop {

/// A layer's forward pass with a tape and its backward pass cost as much as so many without.
inline constexpr int64_t kTapedCost = 3;

/// A layer's input, which is a leaf of the graph, and its output.
struct LayerTape {
  at::Tensor input_ND, output_ND;
};

/// Runs the layer with gradients on. With `through` the input wants a gradient too, which the
/// layers before need. The weights must stay valid and unchanged until the gradient is taken.
LayerTape record_layer(const LayerWeights& weights, const at::Tensor& hidden_ND,
                       const LayerCall& call, bool through);

/// Gradients by `inputs`, tensors of the tape's graph, given the gradient by the tape's output; one
/// is undefined where the output does not depend on the input. What the tape keeps for its
/// gradient is let go.
std::vector<at::Tensor> layer_gradients(const LayerTape& tape,
                                        const std::vector<at::Tensor>& inputs,
                                        const at::Tensor& d_output_ND);

}  // namespace mop
