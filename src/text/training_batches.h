// text/training_batches.h -- packs training samples into batches, in a reproducible order.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "text/training_data.h"

namespace mop {

/// Concatenated samples without padding. N = total number of tokens.
struct TrainingBatch {
  at::Tensor ids_N;              ///< int64, CPU
  at::Tensor targets_N;          ///< next token of each, or kNoLoss; int64, CPU
  std::vector<int64_t> lengths;  ///< tokens per sample: Packing::lengths of model/forward.h
  std::vector<int64_t> samples;  ///< their indices in the data
  int64_t loss_tokens = 0;       ///< number of targets other than kNoLoss; may be 0
  int64_t epoch = 0;             ///< from 0
  bool ends_epoch = false;       ///< whether the next batch belongs to the next epoch
};
/// Shifts the labels: the first token of a sample is never a target.
TrainingBatch make_batch(std::span<const TrainingSample> samples);

struct BatchOptions {
  int64_t samples = 1;  ///< samples per batch; 0 = as many as `tokens` allows
  /// Maximum tokens per batch; 0 = no limit. A longer sample is a batch of its own.
  int64_t tokens = 0;
  bool shuffle = true;  ///< false: file order
  uint64_t seed = 0;
};

/// Returns the sample order of an epoch; with `shuffle` a permutation of 0..samples-1 drawn by
/// (seed, epoch), the same on every machine.
std::vector<int64_t> epoch_order(int64_t samples, const BatchOptions& options, int64_t epoch);

/// An endless sequence of batches over the epochs; no batch crosses the end of an epoch. All ranks
/// create the same sequence; micro-batch i of a step belongs to rank i % ranks.
class TrainingBatches {
 public:
  /// Throws Error(kUsage) when neither samples nor tokens limit a batch.
  TrainingBatches(TrainingData data, const BatchOptions& options);

  TrainingBatch next();

  /// Returns the number of batches of an epoch. With a token limit, this tokenises the data once
  /// and caches the lengths.
  int64_t count(int64_t epoch);

  /// The state needed to continue at this point.
  struct Position {
    int64_t epoch = 0;
    int64_t next = 0;  ///< number of samples of the epoch that were used
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
  std::vector<int32_t> lengths_;  ///< tokens per sample, 0 = not known yet
};

}  // namespace mop
