// tensor/row_product.h -- the matrix product of decoding, for one or a few rows. It reads every
// weight once, so the memory's bandwidth is its ceiling; a general matrix product reaches about
// half of that.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace mop {

/// Whether `row_product` takes these operands: one to eight rows of float32 or one to four of
/// bfloat16 on the CPU, one to four of either on an NVIDIA GPU (see tensor/cuda_kernels.h), weights
/// of the same dtype, rows contiguous, no gradient wanted. Anything else belongs to `at::linear`.
bool row_product_fits(const at::Tensor& x_NK, const at::Tensor& weight_OK);

/// x_NK weight_OK^T (+ bias_O when defined) -> [N, O] in x's dtype; sums are float32. Equal to
/// `at::linear` up to rounding. Operands as `row_product_fits` says; the result depends neither on
/// the number of threads nor on the number of rows.
at::Tensor row_product(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                       const at::Tensor& bias_O = {});

/// What x is multiplied with.
struct RowFactor {
  at::Tensor weight_OK;
  at::Tensor bias_O = {};  ///< may be undefined
};
/// `row_product` of the same x with each factor. Threads are called together once for all of them;
/// a GPU's kernel is started once for three.
std::vector<at::Tensor> row_products(const at::Tensor& x_NK, std::span<const RowFactor> factors);

}  // namespace mop
