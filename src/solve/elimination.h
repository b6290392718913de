// solve/elimination.h -- elimination order of the inputs of a matrix and the resulting damage:
// optimal brain surgeon on whole columns (arXiv 2312.17244, equations 7 to 10), with exact repair
// of the remaining columns.
//
// Shape letters: D outputs, K inputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace mop {

struct Elimination {
  at::Tensor gram_KK;     ///< G = sum_t x_t x_t^T / N: second moments of the inputs of W
  at::Tensor weights_DK;  ///< W
  /// Gamma = sum_t g_t g_t^T / N: second moments of the loss's gradient with respect to the
  /// outputs. Undefined: the identity; the damage is then the squared error of the outputs.
  at::Tensor sensitivity_DD = {};
  /// Consecutive columns removed together, such as the query heads of a KV group.
  int64_t unit = 1;
  double damping = 1e-2;  ///< ridge towards the current weights, relative to the mean of diag G
  int64_t block = 64;     ///< units that may be removed between two full updates; 1: exact
  int64_t keep = 0;       ///< units that are never removed
};

/// The elimination order and its damage.
struct DamageCurve {
  std::vector<int32_t> order;  ///< order[k] is removed as number k
  /// damage[k]: predicted increase of the loss (nats per token if the gradient is of a sum over
  /// tokens) after order[0..k] are removed and the other columns repaired. Never decreases.
  std::vector<double> damage;
};

/// Greedy elimination. With H = G + damping * mean(diag G) * I, repeatedly removes the unit that
/// adds least to min over W' without the removed columns of 0.5 tr(Gamma (W - W') H (W - W')^T),
/// the second-order damage under a Kronecker-factored Hessian. The damage is exact for the returned
/// order. The order is exactly greedy with `block` = 1 and approximately with more. Ties: the lower
/// index is removed first. Tensors: CPU, any floating type; accumulation in float64; the working
/// set is 16 K^2 + 8 K min(D, K) bytes. Negative eigenvalues of Gamma, from rounding, count as 0.
/// Throws Error(kBadInput) when shapes do not match, a value is not finite, or G is singular
/// without damping.
DamageCurve eliminate(const Elimination& input);

/// Input of damage_taken_over: the matrix before a removed part learns to produce r, what the part
/// added to the hidden states, from its own inputs z.
struct TakenOver {
  at::Tensor added_DD;        ///< sum_t r_t r_t^T / N
  at::Tensor cross_DK;        ///< sum_t r_t z_t^T / N
  at::Tensor gram_KK;         ///< sum_t z_t z_t^T / N
  at::Tensor sensitivity_DD;  ///< Gamma, with respect to the hidden states after the part
  double damping = 1e-2;      ///< as in `Elimination`
};

/// Returns the damage that remains when the part is removed and the matrix changes by the best D
/// [D, K]: min 0.5 tr(Gamma (R - 2 C D^T + D H D^T)), H the Gram matrix with its ridge; in the unit
/// of `DamageCurve::damage`. Throws Error(kBadInput) when shapes do not match or H is singular.
double damage_taken_over(const TakenOver& input);

/// Returns the damage of removing each unit alone, with the others repaired: [units] float64. The
/// first step of `eliminate`; ignores `block` and `keep`. Throws as `eliminate` does.
at::Tensor removal_costs(const Elimination& input);

}  // namespace mop
