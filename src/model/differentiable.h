// model/differentiable.h -- the steps of a decoder layer for the times when gradients are wanted:
// forward and backward by fused kernels, keeping as little as their gradients need. Each gives what
// its namesake in kernels.h gives.
//
// Shape letters as in forward.h; K inputs and O outputs of a projection, R rank of its addition.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "model/weights.h"

namespace mop {

/// Differentiable in x and, when it wants a gradient, in the weight.
at::Tensor rms_norm_with_gradient(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps);
/// Differentiable in x.
at::Tensor rope_with_gradient(const at::Tensor& x_NHE, const at::Tensor& cos_NE,
                              const at::Tensor& sin_NE);
/// Differentiable in both.
at::Tensor silu_mul_with_gradient(const at::Tensor& gate_NI, const at::Tensor& up_NI);

/// Sequences behind each other for `flash_attention`.
struct FlashCall {
  at::Tensor query_ends, key_ends;  ///< [S + 1] int32 on the device: 0 and where each one ends
  int64_t longest_query = 0, longest_key = 0;    ///< tokens
  std::optional<int64_t> window = std::nullopt;  ///< tokens a query sees, itself included
};

/// LibTorch's flash attention, CUDA: the last query of each sequence sees its last key, others see
/// as many less. query_NHE, key_LKE and value_LKE in bfloat16 or float16, a head size that is a
/// multiple of 8 -> heads_NHE. Differentiable in all three, with sums in one order.
/// Source: FlashAttention-2 (arXiv 2307.08691).
at::Tensor flash_attention(const at::Tensor& query_NHE, const at::Tensor& key_LKE,
                           const at::Tensor& value_LKE, const FlashCall& call);

/// x W^T + bias + scale * drop(x) a^T b^T; without bias when that is undefined. Differentiable in
/// x, a and b, not in W and the bias, which are frozen beside a low-rank addition. Works without
/// gradients too. Source: LoRA (arXiv 2106.09685).
at::Tensor low_rank_linear(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                           const at::Tensor& bias_O, const LowRank& low_rank);

}  // namespace mop
