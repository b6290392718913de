// stats/head_output.h -- what each head sends into the residual stream. Shape letters: N tokens, D
// hidden, H query heads, E head size, Q = H*E.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mop {

/// ||W_o[:, head] x_head||_1 for every token and head: [N, H] float32. CPU. heads_NQ enters o_proj,
/// whose weight is output_DQ, of the same dtype. The partial products [N, H, D] never
/// exist at once: they are made and reduced in pieces that fit the cache.
at::Tensor head_output_l1(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads);

/// The same through LibTorch's products, whose results are rounded to the dtype: what
/// `head_output_l1` does where there is no kernel of ours for the machine and the dtype.
at::Tensor head_output_l1_by_products(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                      int64_t heads);

/// The same for a device: [H, N] float32, where the tensors are. The products of all heads are one
/// call, those of so many tokens at once that they take `buffer_bytes`.
at::Tensor head_output_l1_on_device(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                    int64_t heads, int64_t buffer_bytes = int64_t{512} << 20);

}  // namespace mop
