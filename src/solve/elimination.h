// solve/elimination.h -- in which order the inputs of a matrix can go, and what their going costs:
// optimal brain surgeon on whole columns (arXiv 2312.17244, equations 7 to 10, with exact repair of
// the columns that stay).
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
  /// Gamma = sum_t g_t g_t^T / N: second moments of the loss's gradient by the outputs. Undefined:
  /// the identity, and damage is the squared error of the outputs.
  at::Tensor sensitivity_DD = {};
  int64_t unit = 1;       ///< consecutive columns that go together, as a KV group's query heads do
  double damping = 1e-2;  ///< ridge towards the weights as they are, of the mean of diag G
  int64_t block = 64;     ///< units that may go between two updates of all that stays; 1: exact
  int64_t keep = 0;       ///< units that never go
};

/// What the first units of an order cost.
struct DamageCurve {
  std::vector<int32_t> order;  ///< order[k] goes k-th
  /// damage[k]: the predicted increase of the loss (nats per token, with the gradient of a sum over
  /// tokens) once order[0..k] are gone and all others are repaired. Never falls.
  std::vector<double> damage;
};

/// Greedy elimination: with H = G + damping * mean(diag G) * I, repeatedly removes the unit whose
/// going adds least to min over W' without the removed columns of 0.5 tr(Gamma (W - W') H
/// (W - W')^T), the second-order damage of a Kronecker-factored Hessian. The damage is exact for
/// the order that is returned; the order is greedy to the last unit with `block` = 1, and close to
/// it with more. Tensors: CPU, any floating type; sums are in float64: the working set is 16 K^2 +
/// 8 K min(D, K) bytes. Equal damages: the lower index goes first. Negative eigenvalues of Gamma,
/// which rounding leaves, count as 0. Throws Error(kBadInput) when shapes do not fit, a value is
/// not finite, or G is singular without damping.
DamageCurve eliminate(const Elimination& input);

/// A matrix before a part that goes: what the part adds to the hidden states, r, should come from
/// the matrix's inputs z.
struct TakenOver {
  at::Tensor added_DD;        ///< sum_t r_t r_t^T / N
  at::Tensor cross_DK;        ///< sum_t r_t z_t^T / N
  at::Tensor gram_KK;         ///< sum_t z_t z_t^T / N
  at::Tensor sensitivity_DD;  ///< Gamma, by the hidden states behind the part
  double damping = 1e-2;      ///< as in `Elimination`
};

/// The damage that is left when the part goes and the matrix changes by the best D [D, K]:
/// min 0.5 tr(Gamma (R - 2 C D^T + D H D^T)), H the Gram with its ridge; in the currency of
/// `DamageCurve::damage`. Throws Error(kBadInput) when shapes do not fit or H is singular.
double damage_taken_over(const TakenOver& input);

/// What the removal of each unit alone costs, the others repaired: [units] float64. The first step
/// of `eliminate`; `block` and `keep` are not looked at. Throws as it does.
at::Tensor removal_costs(const Elimination& input);

}  // namespace mop
