// solve/least_squares.h -- what a matrix that is kept must become: pure functions on matrices.
//
// Shape letters: O outputs, K inputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mop {

/// The addition to W that minimises sum_t |r_t - dW x_t|^2 + damping * mean(diag G) * |dW|^2, where
/// G = sum_t x_t x_t^T and C = sum_t r_t x_t^T: dW = C (G + damping * mean(diag G) I)^-1. The ridge
/// pulls towards the weights as they are, so that a column that no token used keeps its values.
/// gram_KK and cross_OK: CPU, any floating type; the result is float64, [O, K]. Throws
/// Error(kBadInput) when the system cannot be solved (NaN, or no damping for a singular G).
at::Tensor ridge_addition(const at::Tensor& gram_KK, const at::Tensor& cross_OK, double damping);

/// `given`, or where that is 0 a ridge for second moments of `inputs` inputs summed over so many
/// tokens, as a fraction of their mean: 0.01, or 0.1 where there are fewer than 50 tokens for each
/// input, which then say little.
double damping_or_default(double given, int64_t tokens, int64_t inputs);

}  // namespace mop
