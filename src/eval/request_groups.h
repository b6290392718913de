// eval/request_groups.h -- token sequences whose end is predicted, and how many of them go through
// the layers together.
//
// Shape letters: N tokens that are run, R predictions.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"

namespace mop {

/// Tokens of which the last `scored` are predicted, each from all before it. The first one never
/// is.
struct TokenRequest {
  std::vector<int64_t> ids;
  int64_t scored = 0;
};

/// Requests that are likely to begin alike: the choices of a question.
using Question = std::vector<TokenRequest>;

/// Questions that go through the layers together.
struct RequestGroup {
  /// Where the predictions of a request begin, and how many there are.
  struct Place {
    size_t question, request;
    int64_t scored;
  };
  at::Tensor ids_N;  ///< int64, CPU; the last token of a request is only predicted, so not among
                     ///< them
  Packing packing;
  at::Tensor rows_R;          ///< int64, CPU: which of the N tokens predicts
  at::Tensor targets_R;       ///< int64, CPU: what
  std::vector<Place> places;  ///< in the order of the predictions
};

/// Longest questions first, packed without padding, at most `max_tokens` a group (a longer question
/// is alone). What the requests of a question have in common at their beginning is there once, but
/// for questions with a request of more than `longest_shared` tokens (see
/// longest_with_shared_rope).
std::vector<RequestGroup> group_requests(std::span<const Question> questions, int64_t max_tokens,
                                         int64_t longest_shared = INT64_MAX);

/// Tokens that go through the layers for these questions, and what they would be without sharing.
struct TokenCount {
  int64_t run = 0, asked = 0;
};
TokenCount count_tokens(std::span<const Question> questions, int64_t longest_shared = INT64_MAX);

}  // namespace mop
