// eval/request_groups.h -- token sequences whose last tokens are scored, and their grouping for the
// forward pass.
//
// Shape letters: N tokens that are run, R predictions.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"

namespace mop {

/// A sequence whose last `scored` tokens are predicted, each from all tokens before it. The first
/// token is never predicted.
struct TokenRequest {
  std::vector<int64_t> ids;
  int64_t scored = 0;
  int64_t cut = 0;  ///< tokens removed on the left to fit the model's context
};

/// Requests that usually share a prefix: the choices of a question.
using Question = std::vector<TokenRequest>;

/// Questions that are run together.
struct RequestGroup {
  /// The request that some predictions belong to, and their number.
  struct Place {
    size_t question, request;
    int64_t scored;
  };
  at::Tensor ids_N;  ///< int64, CPU; without the last token of a request, which is only predicted
  Packing packing;
  at::Tensor rows_R;          ///< int64, CPU: index among the N tokens of the predicting token
  at::Tensor targets_R;       ///< int64, CPU: the predicted token
  std::vector<Place> places;  ///< in the order of the predictions
};

/// Packs questions without padding, longest first, at most `max_tokens` per group (a longer
/// question is a group of its own). The common prefix of a question's requests is run once, except
/// for questions with a request of more than `longest_shared` tokens (see
/// longest_with_shared_rope).
std::vector<RequestGroup> group_requests(std::span<const Question> questions, int64_t max_tokens,
                                         int64_t longest_shared = INT64_MAX);

/// Number of tokens run for these questions, and the number without sharing prefixes.
struct TokenCount {
  int64_t run = 0, asked = 0;
};
TokenCount count_tokens(std::span<const Question> questions, int64_t longest_shared = INT64_MAX);

}  // namespace mop
