// eval/score_requests.h -- log-likelihoods of many requests, for one model or two.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "eval/request_groups.h"
#include "model/weights.h"

namespace mop {

struct LogLikelihood {
  double sum = 0;      ///< nats over the scored tokens
  bool greedy = true;  ///< whether each scored token is the model's most likely one
};
/// One list per question, in the order of its requests.
using Answers = std::vector<std::vector<LogLikelihood>>;

/// Returns answers in the order of the questions. Groups have a limited size; layers are streamed
/// once per group; logits are computed for scored tokens only. Throws Error(kBadInput) when logits
/// are not finite.
Answers score_requests(WeightLoader& weights, std::span<const Question> questions,
                       Progress& progress = silent_progress());

/// Answers of two models to the same questions, and the distance of their next-token distributions
/// at the scored tokens.
struct Comparison {
  Answers model, dense;
  double kl = 0;  ///< mean KL(dense || model), nats per scored token
  /// Fraction of scored tokens for which both models have the same most likely token.
  double agreement = 0;
};
/// Holds at most one group's hidden states of both models, and some rows of logits. Throws
/// Error(kBadInput) when the vocabulary sizes differ or logits are not finite.
Comparison compare_requests(WeightLoader& model, WeightLoader& dense,
                            std::span<const Question> questions,
                            Progress& progress = silent_progress());

}  // namespace mop
