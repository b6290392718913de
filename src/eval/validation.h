// eval/validation.h -- evaluates candidates on held-out samples and computes shared layers once.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/progress.h"
#include "collectives/collectives.h"
#include "model/validation.h"
#include "model/weights.h"
#include "text/samples.h"

namespace mop {

struct ValidatorOptions {
  /// The dense model's last hidden states are kept when they are smaller than this (bytes).
  /// Otherwise each call recomputes them, sharing layers with the candidates.
  int64_t reference_bytes = int64_t{512} << 20;
  /// Maximum tokens per group for each candidate; 0 = a quarter of `group_tokens`.
  int64_t group_tokens = 0;
};

class Validator {
 public:
  /// Scores every token of `samples` except the first of each. With several ranks, each scores its
  /// share of the samples, and all return the figures of the whole. Throws Error(kBadInput) when
  /// there is no token to score.
  Validator(const Model& dense, const TokenSamples& samples, Compute compute,
            ValidatorOptions options = {}, Collectives& ranks = one_rank());
  ~Validator();
  Validator(Validator&&) noexcept;

  /// Returns one result per candidate, in order. All candidates must come from the checkpoint of
  /// `dense`. Equal first layers (`Layer::same_as`) are computed once. Throws Error(kBadInput) when
  /// logits are not finite.
  std::vector<Validation> validate(std::span<const Model* const> candidates,
                                   Progress& progress = silent_progress());

  /// Returns the number of layers run so far, counted once per group of samples.
  int64_t layers_run() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
