// gradient/output_loss.h -- the end of the forward pass and the beginning of the backward pass: the
// output head, the loss and its gradient in cache-sized pieces of the scored tokens, so that there
// are never N x V logits.
//
// Shape letters: N tokens of all sequences laid end to end, D hidden, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include "gradient/pending_sums.h"
#include "model/weights.h"

namespace mop {

/// What a token's loss is: cross_entropy * CE(target) + (1 - cross_entropy) * T^2 * KL(teacher ||
/// student), both of softmax(logits / T) in the second term. Without a teacher: CE alone.
/// Source: distillation (arXiv 1503.02531).
struct LossMix {
  double cross_entropy = 0;
  double temperature = 1;
};

/// A teacher's last hidden states (before its final norm) of the same tokens.
struct TeacherHidden {
  const GlobalWeights& globals;
  const ModelConfig& config;
  at::Tensor hidden_ND;
};

struct OutputLoss {
  PendingSum loss;  ///< sum over tokens of weight * loss
  PendingSum nll;   ///< sum of the targets' negative log-likelihoods over the scored tokens
  int64_t scored = 0;
  /// Gradients of `loss`; undefined when not asked for.
  at::Tensor d_hidden_ND;
  at::Tensor d_norm_D, d_head_VD;  ///< only where the tensor wants a gradient
};

/// hidden_ND after the last layer, its targets_N (int64, CPU) and weights_N (float32, CPU; tokens
/// with weight 0 are not scored and cost nothing). `teacher` may be null. The loss is NaN when the
/// logits are. Does not wait for a device, to which it sends targets and weights once.
OutputLoss output_loss(const GlobalWeights& globals, const ModelConfig& config,
                       const at::Tensor& hidden_ND, const at::Tensor& targets_N,
                       const at::Tensor& weights_N, bool gradients,
                       const TeacherHidden* teacher = nullptr, const LossMix& mix = {});

/// Bytes of its temporaries on a device, with a vocabulary of so many tokens.
int64_t output_loss_bytes(int64_t vocab, bool teacher);

}  // namespace mop
