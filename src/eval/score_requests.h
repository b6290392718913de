// eval/score_requests.h -- log-likelihoods of many requests, by one model or by two side by side.
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
  bool greedy = true;  ///< each scored token is the model's most likely one
};
/// One list a question, in the order of its requests.
using Answers = std::vector<std::vector<LogLikelihood>>;

/// Answers in the order of the questions. Groups of requests are bounded in size and layers are
/// streamed once a group; logits are made for scored tokens alone. Throws Error(kBadInput) when
/// logits are not finite.
Answers score_requests(WeightLoader& weights, std::span<const Question> questions,
                       Progress& progress = silent_progress());

/// What two models say to the same questions, and how far their next-token distributions are apart
/// at the scored tokens.
struct Comparison {
  Answers model, dense;
  double kl = 0;         ///< mean KL(dense || model), nats a scored token
  double agreement = 0;  ///< fraction of scored tokens for which both find the same one most likely
};
/// No more than one group's hidden states of both models, and some rows of logits, are in memory.
/// Throws Error(kBadInput) when the vocabularies differ in size or logits are not finite.
Comparison compare_requests(WeightLoader& model, WeightLoader& dense,
                            std::span<const Question> questions,
                            Progress& progress = silent_progress());

}  // namespace mop
