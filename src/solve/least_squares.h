// solve/least_squares.h -- what a matrix that is kept must become: pure functions on matrices.
//
// Shape letters: O outputs, K inputs.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// The addition to W that minimises sum_t |r_t - dW x_t|^2 + damping * mean(diag G) * |dW|^2, where
/// G = sum_t x_t x_t^T and C = sum_t r_t x_t^T: dW = C (G + damping * mean(diag G) I)^-1. The ridge
/// pulls towards the weights as they are, so that a column that no token used keeps its values.
/// gram_KK and cross_OK: CPU, any floating type; the result is float64, [O, K]. Throws
/// Error(kBadInput) when the system cannot be solved (NaN, or no damping for a singular G).
at::Tensor ridge_addition(const at::Tensor& gram_KK, const at::Tensor& cross_OK, double damping);

}  // namespace mop
