// tensor/row_product.h -- the one-row matrix product of decoding. It reads every weight once, so
// the memory's bandwidth is its ceiling; a general matrix product reaches about three quarters of
// that.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// Whether `row_product` takes these operands: CPU, one to four rows, weights float32 or bfloat16,
/// rows contiguous, no gradient wanted. Anything else belongs to `at::linear`.
bool row_product_fits(const at::Tensor& x_NK, const at::Tensor& weight_OK);

/// x_NK weight_OK^T (+ bias_O when defined) -> [N, O] in x's dtype; sums are float32. Equal to
/// `at::linear` up to rounding. Operands as `row_product_fits` says; the result depends neither on
/// the number of threads nor on the number of rows.
at::Tensor row_product(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                       const at::Tensor& bias_O = {});

}  // namespace mop
