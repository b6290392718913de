// stats/squares.h -- sums over tokens of squares and of comparisons, on the tensors' device and
// without synchronising. Terms and sums are float64, since a variance is the difference of two of
// them.
//
// Shape letters: N tokens of all sequences, concatenated; X any units, D hidden, G KV groups, Q =
// heads * head size.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/forward.h"

namespace mop {

/// Adds value_NX^2 of every token to sums_X. The squares are exact, so that the variance of a
/// constant channel is 0 up to float64 rounding.
void add_exact_squares(const at::Tensor& value_NX, const at::Tensor& sums_X);

/// Adds (mean over the tokens of |value_NX|)^2 of every sequence to sums_X.
void add_squared_abs_means(const at::Tensor& value_NX, const Packing& piece,
                           const at::Tensor& sums_X);

/// Adds ||W[:, group] x_group||^2 of every token to sums_G; heads_NQ is the input of o_proj,
/// output_DQ its weight. Computed from the second moments of each group's channels, without an N x
/// D intermediate.
void add_group_output_squares(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                              const at::Tensor& sums_G);

/// Returns the cosine of each pair of rows, [N] float64, in [-1, 1]; 0 for rows of zeros.
at::Tensor row_cosines(const at::Tensor& a_ND, const at::Tensor& b_ND);

}  // namespace mop
