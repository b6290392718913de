// gradient/layer_tape.cc
#include "gradient/layer_tape.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

namespace mop {

LayerTape record_layer(const LayerWeights& weights, const at::Tensor& hidden_ND,
                       const LayerCall& call, bool through) {
  const at::AutoGradMode on(true);
  LayerTape tape;
  tape.input_ND = hidden_ND.detach().requires_grad_(through);
  tape.output_ND = decoder_layer(weights, tape.input_ND, call);
  return tape;
}

std::vector<at::Tensor> layer_gradients(const LayerTape& tape,
                                        const std::vector<at::Tensor>& inputs,
                                        const at::Tensor& d_output_ND) {
  return torch::autograd::grad({tape.output_ND}, inputs, {d_output_ND}, std::nullopt,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

}  // namespace mop
