// solve/least_squares.cc
#include "solve/least_squares.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace mop {

at::Tensor ridge_addition(const at::Tensor& gram_KK, const at::Tensor& cross_OK, double damping) {
  at::Tensor system_KK = gram_KK.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  at::Tensor diagonal_K = system_KK.diagonal();
  // Inputs that are all 0 have no second moments to scale the ridge by; the limit is no change.
  if (diagonal_K.count_nonzero().item<int64_t>() == 0) {
    return at::zeros({cross_OK.size(0), system_KK.size(0)}, at::kDouble);
  }
  diagonal_K.add_(diagonal_K.mean() * damping);
  const auto [factor_KK, info] = at::linalg_cholesky_ex(system_KK);
  if (info.item<int64_t>() != 0 || !at::isfinite(factor_KK).all().item<bool>()) {
    throw bad_input("the least-squares system of {} inputs cannot be solved", gram_KK.size(0))
        .hint("more calibration text, or a larger damping");
  }
  // G is symmetric: dW^T = G^-1 C^T.
  return at::cholesky_solve(cross_OK.to(at::kDouble).t(), factor_KK).t().contiguous();
}

double damping_or_default(double given, int64_t tokens, int64_t inputs) {
  if (given > 0) return given;
  constexpr int64_t kEnoughTokensPerInput = 50;
  return tokens >= kEnoughTokensPerInput * inputs ? 1e-2 : 1e-1;
}

}  // namespace mop
