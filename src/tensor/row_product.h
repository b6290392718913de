// tensor/row_product.h -- matrix products for one or a few rows, as in decoding. They read every
// weight once and are limited by memory bandwidth; a general matrix product reaches about half of
// it.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace mop {

/// Returns whether `row_product` accepts these operands: one to eight rows of float32 or one to
/// four of bfloat16 on the CPU, one to four of either on an NVIDIA GPU (see tensor/cuda_kernels.h),
/// weights of the same dtype, contiguous rows, no gradient. Use `at::linear` otherwise.
bool row_product_fits(const at::Tensor& x_NK, const at::Tensor& weight_OK);

/// Returns x_NK weight_OK^T (+ bias_O when defined), [N, O] in x's dtype, with float32
/// accumulation. Equals `at::linear` up to rounding. Operands must satisfy `row_product_fits`. The
/// result depends neither on the number of threads nor on the number of rows.
at::Tensor row_product(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                       const at::Tensor& bias_O = {});

/// A weight with its bias.
struct RowFactor {
  at::Tensor weight_OK;
  at::Tensor bias_O = {};  ///< may be undefined
};
/// Returns `row_product` of x with each factor. Uses one parallel region for all factors; on a GPU,
/// one kernel launch per three factors.
std::vector<at::Tensor> row_products(const at::Tensor& x_NK, std::span<const RowFactor> factors);

}  // namespace mop
