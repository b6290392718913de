// stats/squares.h -- sums of squares and of comparisons, over tokens, where the tensors are and
// without waiting for a device. Float64 sums of float64 terms: a variance is the difference of two
// of them.
//
// Shape letters: N tokens of all sequences laid end to end, X anything, D hidden, G KV groups,
// Q = heads * head size.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/forward.h"

namespace mop {

/// Adds value_NX^2 of every token to sums_X. The squares are exact, so that of a channel that never
/// changes nothing but rounding of float64 is left beside the square of its mean.
void add_exact_squares(const at::Tensor& value_NX, const at::Tensor& sums_X);

/// Adds, for every sequence, (mean over its tokens of |value_NX|)^2 to sums_X.
void add_squared_abs_means(const at::Tensor& value_NX, const Packing& piece,
                           const at::Tensor& sums_X);

/// Adds ||W[:, group] x_group||^2 of every token to sums_G; heads_NQ enters o_proj, whose weight is
/// output_DQ. By the second moments of each group's channels: nothing of N x D is made.
void add_group_output_squares(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                              const at::Tensor& sums_G);

/// Cosine of every two rows, [N] float64, in [-1, 1]; rows of zeros have 0.
at::Tensor row_cosines(const at::Tensor& a_ND, const at::Tensor& b_ND);

}  // namespace mop
