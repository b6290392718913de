// text/training_batches.h -- training samples in a reproducible order, packed into batches.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "text/training_data.h"

namespace mop {

/// Samples laid end to end, without padding. N = all their tokens.
struct TrainingBatch {
  at::Tensor ids_N;              ///< int64, CPU
  at::Tensor targets_N;          ///< the token that follows each one, or kNoLoss; int64, CPU
  std::vector<int64_t> lengths;  ///< tokens of each sample: Packing::lengths of model/forward.h
  std::vector<int64_t> samples;  ///< their indices in the data
  int64_t loss_tokens = 0;       ///< targets that are not kNoLoss; may be 0
  int64_t epoch = 0;             ///< counted from 0
  bool ends_epoch = false;       ///< the next batch belongs to the next epoch
};
/// Labels are shifted here: the first token of a sample is never a target.
TrainingBatch make_batch(std::span<const TrainingSample> samples);

struct BatchOptions {
  int64_t samples = 1;  ///< samples of a batch; 0 = as many as `tokens` allow
  /// Packing: the next sample joins while the batch stays within so many tokens; 0 = no limit. A
  /// sample that is longer than this makes a batch of its own.
  int64_t tokens = 0;
  bool shuffle = true;  ///< else in file order
  uint64_t seed = 0;
};

/// The order of an epoch: with `shuffle` a permutation of 0..samples-1 drawn by (seed, epoch), the
/// same on every machine.
std::vector<int64_t> epoch_order(int64_t samples, const BatchOptions& options, int64_t epoch);

/// An endless sequence of batches, epoch after epoch; no batch crosses an epoch's end. Every rank
/// makes the same sequence; of the micro-batches of a step, number i is rank (i % ranks)'s.
class TrainingBatches {
 public:
  /// Throws Error(kUsage) when neither samples nor tokens bound a batch.
  TrainingBatches(TrainingData data, const BatchOptions& options);

  TrainingBatch next();

  /// Batches of an epoch. With a limit on tokens this tokenises the data once, and remembers the
  /// lengths.
  int64_t count(int64_t epoch);

  /// What to keep to continue exactly here.
  struct Position {
    int64_t epoch = 0;
    int64_t next = 0;  ///< samples of the epoch's order that were used
  };
  Position position() const { return position_; }
  void seek(Position position);

  const TrainingData& data() const { return data_; }

 private:
  std::vector<TrainingSample> take(TrainingBatch& batch);
  int64_t length(int64_t sample);
  TrainingData data_;
  BatchOptions options_;
  Position position_;
  int64_t order_epoch_ = -1;
  std::vector<int64_t> order_;
  std::vector<int32_t> lengths_;  ///< of every sample, 0 = not known yet
};

}  // namespace mop
