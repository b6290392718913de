// eval/token_scores.h -- likelihoods of single tokens, and the distance between the outputs of two
// models. CPU; for a device see device_scores.h.
//
// Shape letters: N tokens of all sequences, concatenated; R predictions, D hidden, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"
#include "model/validation.h"

namespace mop {

/// Per prediction: the negative log-likelihood in nats (float32 on the CPU), and whether the target
/// is the model's most likely token (bool on the CPU; a tie counts).
struct TokenScores {
  at::Tensor nll_R, greedy_R;
};
/// Scores targets_R (int64, CPU), the next tokens, from hidden_RD after the last layer. Computes
/// logits in cache-sized pieces, never R x V at once; records no gradient. Throws Error(kBadInput)
/// when a logit is NaN or infinite.
TokenScores token_scores(const GlobalWeights& globals, const ModelConfig& config,
                         const at::Tensor& hidden_RD, const at::Tensor& targets_R);

/// One model's last hidden states and what converts them to logits. Holds references.
struct LastHidden {
  const GlobalWeights& globals;
  const ModelConfig& config;
  const at::Tensor& hidden_ND;
  /// Channels of the dense model that the hidden states have, where they lack some: int32, with the
  /// hidden states.
  at::Tensor channels_D = {};
};

/// Cosine of each row after the final norms, [R] float32. The cosine ignores the scaling of whole
/// rows by RMS norm, so only the norms' weights are applied. Channels that the model lost are
/// zeros.
at::Tensor row_cosine(const LastHidden& dense, const at::Tensor& dense_RD, const LastHidden& model,
                      const at::Tensor& model_RD);

/// Scores of two models for the same predictions.
struct TokenComparison {
  TokenScores model, dense;
  double kl = 0;       ///< sum of KL(dense || model), nats
  int64_t agreed = 0;  ///< predictions for which both models have the same most likely token
};
/// Like `token_scores`, for two models with the same vocabulary.
TokenComparison compare_token_scores(const LastHidden& dense, const LastHidden& model,
                                     const at::Tensor& targets_R);

/// Returns per candidate the *sums* over tokens with a target: nll, KL from `dense`, and the cosine
/// of the hidden states after the final norm. Throws as `token_scores` does.
std::vector<Validation> compare_tokens(const LastHidden& dense,
                                       std::span<const LastHidden> candidates,
                                       const at::Tensor& targets_N);

}  // namespace mop
