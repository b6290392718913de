// stats/head_output.h -- L1 norms of each head's addition to the residual stream. Shape letters: N
// tokens, D hidden, H query heads, E head size, Q = H*E.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mop {

/// Returns ||W_o[:, head] x_head||_1 per token and head: [N, H] float32. CPU. heads_NQ is the input
/// of o_proj, output_DQ its weight, of the same dtype. The partial products [N, H, D] are computed
/// and reduced in cache-sized pieces.
at::Tensor head_output_l1(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads);

/// The same by LibTorch's products, whose results are rounded to the dtype; used by
/// `head_output_l1` if there is no kernel for the machine and dtype.
at::Tensor head_output_l1_by_products(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                      int64_t heads);

/// The same for a device: [H, N] float32, on the tensors' device. One call multiplies all heads for
/// as many tokens as fit `buffer_bytes` of products.
at::Tensor head_output_l1_on_device(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                    int64_t heads, int64_t buffer_bytes = int64_t{512} << 20);

}  // namespace mop
