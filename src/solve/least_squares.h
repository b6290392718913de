// solve/least_squares.h -- ridge least squares for the weights of a repaired matrix. Pure functions
// on matrices.
//
// Shape letters: O outputs, K inputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mop {

/// Returns the change dW that minimises sum_t |r_t - dW x_t|^2 + damping * mean(diag G) * |dW|^2,
/// where G = sum_t x_t x_t^T and C = sum_t r_t x_t^T: dW = C (G + damping * mean(diag G) I)^-1. The
/// ridge pulls towards the current weights, so a column whose input was always 0 keeps its values.
/// gram_KK and cross_OK: CPU, any floating type; the result is float64, [O, K]. Throws
/// Error(kBadInput) when the system cannot be solved (NaN, or a singular G without damping). A G
/// that is all 0 gives no change.
at::Tensor ridge_addition(const at::Tensor& gram_KK, const at::Tensor& cross_OK, double damping);

/// Returns `given`, or a default when it is 0: a ridge relative to the mean of the second moments
/// of `inputs` inputs over `tokens` tokens: 0.01, or 0.1 with fewer than 50 tokens per input, when
/// the moments are inaccurate.
double damping_or_default(double given, int64_t tokens, int64_t inputs);

}  // namespace mop
