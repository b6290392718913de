// gradient/output_loss.h -- output head, loss and their gradients, computed on cache-sized pieces
// of the scored tokens, so that N x V logits never exist at once.
//
// Shape letters: N tokens of all sequences, concatenated; D hidden, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include "gradient/pending_sums.h"
#include "model/weights.h"

namespace mop {

/// Weights of a token's loss: cross_entropy * CE(target) + (1 - cross_entropy) * T^2 * KL(teacher
/// || student), where KL compares softmax(logits / T). Without a teacher: CE only. Source:
/// distillation (arXiv 1503.02531).
struct LossMix {
  double cross_entropy = 0;
  double temperature = 1;
};

/// A teacher's last hidden states (before the final norm) for the same tokens.
struct TeacherHidden {
  const GlobalWeights& globals;
  const ModelConfig& config;
  at::Tensor hidden_ND;
};

struct OutputLoss {
  PendingSum loss;  ///< sum over tokens of weight * loss
  PendingSum nll;   ///< sum of the targets' negative log-likelihoods over the scored tokens
  int64_t scored = 0;
  /// Gradients of `loss`; undefined when not requested.
  at::Tensor d_hidden_ND;
  at::Tensor d_norm_D, d_head_VD;  ///< defined only if the tensor requires a gradient
};

/// Computes the loss of hidden_ND (after the last layer) with targets_N (int64, CPU) and weights_N
/// (float32, CPU). Tokens with weight 0 are skipped. `teacher` may be null. The loss is NaN when
/// the logits are. Uploads targets and weights once; does not synchronise with a device.
OutputLoss output_loss(const GlobalWeights& globals, const ModelConfig& config,
                       const at::Tensor& hidden_ND, const at::Tensor& targets_N,
                       const at::Tensor& weights_N, bool gradients,
                       const TeacherHidden* teacher = nullptr, const LossMix& mix = {});

/// Returns the bytes of temporaries on a device for this vocabulary size.
int64_t output_loss_bytes(int64_t vocab, bool teacher);

}  // namespace mop
