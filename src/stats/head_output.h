// stats/head_output.h -- what each head sends into the residual stream. Shape letters: N tokens, D
// hidden, H query heads, E head size, Q = H*E.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mop {

/// ||W_o[:, head] x_head||_1 for every token and head: [N, H] float32, CPU. heads_NQ enters o_proj,
/// whose weight is output_DQ, of the same dtype and device. The partial products [N, H, D] never
/// exist at once: they are made and reduced in pieces that fit the cache.
at::Tensor head_output_l1(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads);

/// The same through LibTorch's products, whose results are rounded to the dtype: what
/// `head_output_l1` does where there is no kernel of ours for the machine and the dtype.
at::Tensor head_output_l1_by_products(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                      int64_t heads);

}  // namespace mop
