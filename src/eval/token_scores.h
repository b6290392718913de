// eval/token_scores.h -- what single tokens say about a model: their likelihood, and how far its
// output is from another model's. On the CPU; for a device see device_scores.h.
//
// Shape letters: N tokens of all sequences laid end to end, R predictions, D hidden, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"
#include "model/validation.h"

namespace mop {

/// One value a prediction: its negative log-likelihood in nats (float32 on the CPU), and whether
/// the target is the token that the model finds most likely (bool on the CPU; a tie counts).
struct TokenScores {
  at::Tensor nll_R, greedy_R;
};
/// hidden_RD after the last layer, targets_R (int64, CPU): what comes next. Logits are made in
/// cache-sized pieces, never R x V at once, and no gradient is recorded. Throws Error(kBadInput)
/// when a logit is NaN or infinite.
TokenScores token_scores(const GlobalWeights& globals, const ModelConfig& config,
                         const at::Tensor& hidden_RD, const at::Tensor& targets_R);

/// The last hidden states of one model and what turns them into logits. Refers to all three.
struct LastHidden {
  const GlobalWeights& globals;
  const ModelConfig& config;
  const at::Tensor& hidden_ND;
  /// Channels of the dense model that the hidden states have, where they lack some: int32, with the
  /// hidden states.
  at::Tensor channels_D = {};
};

/// Cosine of each row behind the final norms, [R] float32. RMS norm scales whole rows, which a
/// cosine does not see: the norms' weights are all that is left of them. Channels that the model
/// lost are zeros.
at::Tensor row_cosine(const LastHidden& dense, const at::Tensor& dense_RD, const LastHidden& model,
                      const at::Tensor& model_RD);

/// What two models say to the same predictions.
struct TokenComparison {
  TokenScores model, dense;
  double kl = 0;       ///< sum of KL(dense || model), nats
  int64_t agreed = 0;  ///< predictions for which both find the same token most likely
};
/// Like `token_scores`; both hidden states belong to targets_R, both vocabularies are one.
TokenComparison compare_token_scores(const LastHidden& dense, const LastHidden& model,
                                     const at::Tensor& targets_R);

/// For each candidate the *sums* over the tokens that have a target: nll, KL from `dense`, and the
/// cosine of the hidden states behind the final norm. Throws like `token_scores`.
std::vector<Validation> compare_tokens(const LastHidden& dense,
                                       std::span<const LastHidden> candidates,
                                       const at::Tensor& targets_N);

}  // namespace mop
