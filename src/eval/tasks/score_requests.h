// eval/tasks/score_requests.h -- log-likelihoods of many requests. What the requests of a question
// have in common at their beginning is computed once.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "eval/tasks/encode.h"
#include "model/weights.h"

namespace mop {

struct LogLikelihood {
  double sum = 0;      ///< nats over the scored tokens
  bool greedy = true;  ///< each scored token is the model's most likely one
};

/// Requests that are likely to begin alike: the choices of a question.
using Question = std::vector<TokenRequest>;

/// One result per request, in the order given. Longest questions first, packed without padding
/// into groups whose hidden states are bounded; layers are streamed once a group; logits are made
/// for scored tokens alone. Throws Error(kBadInput) when logits are not finite.
std::vector<std::vector<LogLikelihood>> score_requests(WeightLoader& weights,
                                                       std::span<const Question> questions,
                                                       Progress& progress = silent_progress());

/// Tokens that go through the layers for these questions, and what they would be without sharing.
struct TokenCount {
  int64_t run = 0, asked = 0;
};
TokenCount count_tokens(std::span<const Question> questions);

}  // namespace mop
