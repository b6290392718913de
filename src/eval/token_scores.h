// eval/token_scores.h -- what single tokens say about a model: their likelihood, and how far its
// output is from another model's.
//
// Shape letters: N tokens of all sequences laid end to end, D hidden, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"
#include "model/validation.h"

namespace mop {

/// Negative log-likelihood in nats of each next token: hidden_ND after the last layer, targets_N
/// (int64, CPU; -1 = not scored) -> [N] float32 on the CPU (0 where not scored). Logits are made in
/// cache-sized pieces, never N x V at once, and no gradient is recorded. Throws Error(kBadInput)
/// when a logit is NaN or infinite.
at::Tensor token_nll(const GlobalWeights& globals, const ModelConfig& config,
                     const at::Tensor& hidden_ND, const at::Tensor& targets_N);

/// What `token_nll` gives, and whether each target is the token that the model finds most likely
/// (bool [N] on the CPU, false where not scored).
struct TokenScores {
  at::Tensor nll_N, greedy_N;
};
TokenScores token_scores(const GlobalWeights& globals, const ModelConfig& config,
                         const at::Tensor& hidden_ND, const at::Tensor& targets_N);

/// The last hidden states of one model and what turns them into logits. Refers to all three.
struct LastHidden {
  const GlobalWeights& globals;
  const ModelConfig& config;
  const at::Tensor& hidden_ND;
};

/// For each candidate the *sums* over the tokens that have a target: nll, KL from `dense`, and the
/// cosine of the hidden states behind the final norm. Throws like `token_nll`.
std::vector<Validation> compare_tokens(const LastHidden& dense,
                                       std::span<const LastHidden> candidates,
                                       const at::Tensor& targets_N);

}  // namespace mop
