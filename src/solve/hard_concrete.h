// solve/hard_concrete.h -- hard concrete gates: random gates that are often exactly 0 or 1 and
// differentiable in between (arXiv 1712.01312, section 2.2). Pure functions on vectors.
//
// Shape letter: U gates.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// A binary concrete variable of this temperature, stretched to (low, high) and clamped to [0, 1].
struct HardConcrete {
  double temperature = 2.0 / 3, low = -0.1, high = 1.1;
};

struct GateSample {
  at::Tensor gates_U;  ///< in [0, 1]
  /// Derivative of each gate with respect to its logit; 0 where it was clamped.
  at::Tensor slopes_U;
};

/// Equations 10 and 11: s = sigmoid((log u - log(1 - u) + logit) / temperature), stretched and
/// clamped. `uniform_U` in (0, 1). float64, CPU.
GateSample sample_gates(const at::Tensor& logits_U, const at::Tensor& uniform_U,
                        const HardConcrete& shape = {});

/// Equation 12: the probability that a gate is not 0, and its derivative.
GateSample open_probability(const at::Tensor& logits_U, const HardConcrete& shape = {});

}  // namespace mop
