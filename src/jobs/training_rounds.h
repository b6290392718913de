// jobs/training_rounds.h -- recovery after every step of a pruning run: run/rounds/NN.
#pragma once
#include <filesystem>
#include <functional>
#include <vector>

#include "collectives/collectives.h"
#include "jobs/prune_recovery.h"
#include "plan/plan.h"

namespace mop {

/// Trains after every step. run/rounds/NN contains metrics.jsonl, recovery.json and, until the next
/// round is done, the trained checkpoint, from which an interrupted run continues.
class TrainingRounds {
 public:
  using Figures = std::function<Json(const Model& model)>;
  /// `run`: the run folder, empty on ranks other than 0, which receive rank 0's results. `figures`:
  /// metrics of a model on held-out text, null if there is none.
  TrainingRounds(const PruneRecovery& recovery, const Model& dense, std::filesystem::path run,
                 Collectives& ranks, Figures figures, Progress& progress);

  /// Trains the model after the last of `steps`. Returns the model as written.
  Model train(const Model& pruned, const std::vector<PlanStep>& steps);
  /// Returns the trained model after these steps of an earlier run.
  Model restore(const std::vector<PlanStep>& steps) const;

  /// Returns, for `count` rounds, {steps, tokens, rounds [{steps, tokens, .., figures {pruned,
  /// recovered}}]}.
  Json outcome(size_t count) const;
  /// Removes files of a run folder that only resuming needs.

 private:
  std::filesystem::path round(size_t number) const;
  const PruneRecovery& recovery_;
  const Model& dense_;
  std::filesystem::path run_;
  Collectives& ranks_;
  Figures figures_;
  Progress& progress_;
};

}  // namespace mop
