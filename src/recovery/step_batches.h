// recovery/step_batches.h -- converts the micro-batches of one optimizer step to training pieces
// with a loss weight per token.
#pragma once
#include <cstdint>
#include <vector>

#include "collectives/collectives.h"
#include "recovery/trainer.h"
#include "text/training_batches.h"

namespace mop {

struct StepBatches {
  std::vector<TrainingPiece> pieces;                   ///< of this rank
  int64_t scored_tokens = 0, tokens = 0, samples = 0;  ///< sums over all ranks
};

/// Takes the next micro-batches. All ranks call it; micro-batch i belongs to rank i % ranks. With
/// Accumulation::kTokens the step ends at the end of the epoch.
StepBatches next_step(TrainingBatches& batches, const TrainOptions& options,
                      const Collectives& ranks);

/// Returns the number of steps in `epochs` epochs, as transformers counts them for the accumulation
/// rule.
int64_t steps_of_epochs(TrainingBatches& batches, const TrainOptions& options);

/// Returns this rank's share of the held-out samples as pieces, every target with weight 1.
std::vector<TrainingPiece> validation_pieces(const TrainingData& data, int64_t piece_tokens,
                                             const Collectives& ranks);

}  // namespace mop
