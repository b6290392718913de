// recovery/step_batches.h -- the micro-batches of one optimizer step as pieces to compute, each
// token with its share in the step's loss.
#pragma once
#include <cstdint>
#include <vector>

#include "collectives/collectives.h"
#include "recovery/trainer.h"
#include "text/training_batches.h"

namespace mop {

struct StepBatches {
  std::vector<TrainingPiece> pieces;                   ///< this rank's
  int64_t scored_tokens = 0, tokens = 0, samples = 0;  ///< over all ranks
};

/// Takes the next micro-batches. Every rank calls it alike; micro-batch i is rank i % ranks'. With
/// Accumulation::kTokens it ends with the epoch.
StepBatches next_step(TrainingBatches& batches, const TrainOptions& options,
                      const Collectives& ranks);

/// Steps of a run over `epochs` epochs, as transformers counts them for the rule.
int64_t steps_of_epochs(TrainingBatches& batches, const TrainOptions& options);

/// Held-out samples as pieces, every target with weight 1; every rank gets its share.
std::vector<TrainingPiece> validation_pieces(const TrainingData& data, int64_t piece_tokens,
                                             const Collectives& ranks);

}  // namespace mop
