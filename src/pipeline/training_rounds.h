// pipeline/training_rounds.h -- recovery after every step of a pruning run: run/rounds/NN.
#pragma once
#include <filesystem>
#include <functional>
#include <vector>

#include "collectives/collectives.h"
#include "pipeline/prune_recovery.h"
#include "plan/plan.h"

namespace mop {

/// What each round leaves lies in run/rounds/NN: metrics.jsonl, recovery.json, and until the next
/// round is done the trained checkpoint, from which an interrupted run continues.
class TrainingRounds {
 public:
  using Figures = std::function<Json(const Model& model)>;
  /// `run`: the run folder, empty on ranks other than 0, which get rank 0's. `figures` of a model
  /// on held-out text, null when there is none.
  TrainingRounds(const PruneRecovery& recovery, const Model& dense, std::filesystem::path run,
                 Collectives& ranks, Figures figures, Progress& progress);

  /// Trains what the last of `steps` left. What comes out has the bytes that were written.
  Model train(const Model& pruned, const std::vector<PlanStep>& steps);
  /// What these steps of an earlier run left, trained.
  Model restore(const std::vector<PlanStep>& steps) const;

  /// Of `count` rounds: {steps, tokens, rounds [{steps, tokens, .., figures {pruned, recovered}}]}.
  Json outcome(size_t count) const;
  /// Removes what nothing but resuming needs from a run folder.
  static void clean(const std::filesystem::path& run);

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
