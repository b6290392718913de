// model/differentiable.h -- differentiable versions of a decoder layer's steps: forward and
// backward by fused kernels that save as little as the gradient needs. Each computes the same
// values as its namesake in kernels.h.
//
// Shape letters as in forward.h; K inputs and O outputs of a projection, R rank of its low-rank
// addition.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "model/weights.h"

namespace mop {

/// Differentiable in x and, if it requires a gradient, in the weight.
at::Tensor rms_norm_with_gradient(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps);
/// Differentiable in x.
at::Tensor rope_with_gradient(const at::Tensor& x_NHE, const at::Tensor& cos_NE,
                              const at::Tensor& sin_NE);
/// Differentiable in both.
at::Tensor silu_mul_with_gradient(const at::Tensor& gate_NI, const at::Tensor& up_NI);

/// Concatenated sequences for `flash_attention`.
struct FlashCall {
  at::Tensor query_ends, key_ends;             ///< cumulative lengths, [S + 1] int32 on the device
  int64_t longest_query = 0, longest_key = 0;  ///< tokens
  std::optional<int64_t> window = std::nullopt;  ///< tokens a query sees, including itself
};

/// LibTorch's flash attention; CUDA only. The last query of each sequence sees its last key, each
/// earlier query one key less. query_NHE, key_LKE and value_LKE are bfloat16 or float16 with a head
/// size that is a multiple of 8; returns heads_NHE. Differentiable in all three, with a
/// deterministic gradient. Source: FlashAttention-2 (arXiv 2307.08691).
at::Tensor flash_attention(const at::Tensor& query_NHE, const at::Tensor& key_LKE,
                           const at::Tensor& value_LKE, const FlashCall& call);

/// x W^T + bias + scale * drop(x) a^T b^T; bias_O may be undefined. Differentiable in x, a and b,
/// not in W and bias, which are frozen beside a low-rank addition. Also works with gradients
/// disabled. Source: LoRA (arXiv 2106.09685).
at::Tensor low_rank_linear(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                           const at::Tensor& bias_O, const LowRank& low_rank);

}  // namespace mop
