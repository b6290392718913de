// eval/validation.h -- judging candidates on held-out samples; what they share is computed once.
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
  /// The dense model's last hidden states are kept when they are smaller than this (bytes); else
  /// they are computed again with every call, sharing what layers they can with the candidates.
  int64_t reference_bytes = int64_t{512} << 20;
  /// Tokens whose hidden states one walk holds for each candidate; 0 = a quarter of `group_tokens`.
  int64_t group_tokens = 0;
};

class Validator {
 public:
  /// Scores every token of `samples` but the first of each. With several ranks each scores its
  /// share of the samples, and all get the figures of the whole. Throws Error(kBadInput) when there
  /// is no token to score.
  Validator(const Model& dense, const TokenSamples& samples, Compute compute,
            ValidatorOptions options = {}, Collectives& ranks = one_rank());
  ~Validator();
  Validator(Validator&&) noexcept;

  /// One result per candidate, in order. All come from the checkpoint of `dense`. Layers that they
  /// have in common from the bottom up (`Layer::same_as`) run once. Throws Error(kBadInput) when
  /// logits are not finite.
  std::vector<Validation> validate(std::span<const Model* const> candidates,
                                   Progress& progress = silent_progress());

  /// Layers run so far, each counted once per group of samples.
  int64_t layers_run() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
