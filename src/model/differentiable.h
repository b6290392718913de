// model/differentiable.h -- the steps of a decoder layer for the times when gradients are wanted:
// forward and backward by fused kernels, keeping as little as their gradients need. Each gives what
// its namesake in kernels.h gives.
//
// Shape letters as in forward.h; K inputs and O outputs of a projection, R rank of its addition.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/weights.h"

namespace mop {

/// Differentiable in x and, when it wants a gradient, in the weight.
at::Tensor rms_norm_with_gradient(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps);
/// Differentiable in x.
at::Tensor rope_with_gradient(const at::Tensor& x_NHE, const at::Tensor& cos_NE,
                              const at::Tensor& sin_NE);
/// Differentiable in both.
at::Tensor silu_mul_with_gradient(const at::Tensor& gate_NI, const at::Tensor& up_NI);

/// x W^T + bias + scale * drop(x) a^T b^T; without bias when that is undefined. Differentiable in
/// x, a and b, not in W and the bias, which are frozen beside a low-rank addition. Works without
/// gradients too. Source: LoRA (arXiv 2106.09685).
at::Tensor low_rank_linear(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                           const at::Tensor& bias_O, const LowRank& low_rank);

}  // namespace mop
