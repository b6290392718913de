// eval/rank_scores.h -- log-likelihoods of requests that several processes share.
#pragma once
#include <span>

#include "base/progress.h"
#include "collectives/collectives.h"
#include "eval/score_requests.h"

namespace mop {

/// `score_requests` with the questions dealt to the ranks by length: each scores its share, and all
/// get all answers, in the order of the questions. With one rank it is `score_requests`.
Answers score_requests(WeightLoader& weights, std::span<const Question> questions,
                       Collectives& ranks, Progress& progress);

/// The same for two models side by side.
Comparison compare_requests(WeightLoader& model, WeightLoader& dense,
                            std::span<const Question> questions, Collectives& ranks,
                            Progress& progress);

}  // namespace mop
