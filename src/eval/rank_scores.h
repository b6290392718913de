// eval/rank_scores.h -- scores requests on several ranks.
#pragma once
#include <span>

#include "base/progress.h"
#include "collectives/collectives.h"
#include "eval/score_requests.h"

namespace mop {

/// `score_requests` with the questions distributed over the ranks by length. Each rank scores its
/// share; all ranks return all answers, in the order of the questions.
Answers score_requests(WeightLoader& weights, std::span<const Question> questions,
                       Collectives& ranks, Progress& progress);

/// The same for two models.
Comparison compare_requests(WeightLoader& model, WeightLoader& dense,
                            std::span<const Question> questions, Collectives& ranks,
                            Progress& progress);

}  // namespace mop
