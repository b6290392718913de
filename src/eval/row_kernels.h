// eval/row_kernels.h -- log-softmax sums over rows of logits, without storing the softmax. CPU; for
// a device see device_scores.h.
//
// Shape letters: R rows (tokens), V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// Returns the negative log-likelihood in nats of targets_R (int64, in range) under logits_RV
/// (contiguous, any float type, CPU): [R] float32. A row that contains NaN or +inf, or only -inf,
/// gives NaN.
at::Tensor row_nll(const at::Tensor& logits_RV, const at::Tensor& targets_R);

/// The same, and whether the target is the most likely token, the first among equals (bool [R],
/// undefined where nll is NaN).
struct RowScores {
  at::Tensor nll_R, greedy_R;
};
RowScores row_scores(const at::Tensor& logits_RV, const at::Tensor& targets_R);

/// Returns KL(softmax(p) || softmax(q)) of every row in nats: [R] float32, NaN where `row_nll`
/// gives NaN.
at::Tensor row_kl(const at::Tensor& p_logits_RV, const at::Tensor& q_logits_RV);

}  // namespace mop
