// text/training_batches.cc
#include "text/training_batches.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace mop {

TrainingBatch make_batch(std::span<const TrainingSample> samples) {
  TrainingBatch batch;
  std::vector<int64_t> ids, targets;
  for (const TrainingSample& sample : samples) {
    ids.insert(ids.end(), sample.ids.begin(), sample.ids.end());
    targets.insert(targets.end(), sample.labels.begin() + 1, sample.labels.end());
    targets.push_back(kNoLoss);
    batch.lengths.push_back(static_cast<int64_t>(sample.ids.size()));
  }
  batch.loss_tokens = std::count_if(targets.begin(), targets.end(),
                                    [](int64_t target) { return target != kNoLoss; });
  batch.ids_N = at::tensor(ids, at::kLong);
  batch.targets_N = at::tensor(targets, at::kLong);
  return batch;
}

std::vector<int64_t> epoch_order(int64_t samples, const BatchOptions& options, int64_t epoch) {
  if (options.shuffle)
    return Random(options.seed, static_cast<uint64_t>(epoch)).sample(samples, samples);
  std::vector<int64_t> order(static_cast<size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TrainingBatches::TrainingBatches(TrainingData data, const BatchOptions& options)
    : data_(std::move(data)), options_(options) {
  if (options.samples < 0 || options.tokens < 0 || options.samples + options.tokens == 0) {
    throw usage_error("a batch of {} samples and {} tokens was asked for, one must be 1 or more",
                      options.samples, options.tokens);
  }
  if (data_.size() == 0) throw bad_input("there are no samples to train on");
  lengths_.assign(static_cast<size_t>(data_.size()), 0);
}

int64_t TrainingBatches::length(int64_t sample) {
  int32_t& known = lengths_[static_cast<size_t>(sample)];
  if (known == 0) known = static_cast<int32_t>(data_.sample(sample).ids.size());
  return known;
}

void TrainingBatches::seek(Position position) {
  if (position.epoch < 0 || position.next < 0 || position.next >= data_.size()) {
    throw bad_input("the data has {} samples, but an earlier run stood at sample {} of epoch {}",
                    data_.size(), position.next, position.epoch);
  }
  position_ = position;
}

// Takes the samples of the next batch. Without a token limit each sample is read once; with a
// limit, the first sample that does not fit is read again for the next batch.
std::vector<TrainingSample> TrainingBatches::take(TrainingBatch& batch) {
  if (order_epoch_ != position_.epoch) {
    order_ = epoch_order(data_.size(), options_, position_.epoch);
    order_epoch_ = position_.epoch;
  }
  std::vector<TrainingSample> taken;
  batch.epoch = position_.epoch;
  for (int64_t tokens = 0; position_.next < data_.size(); ++position_.next) {
    const int64_t index = order_[static_cast<size_t>(position_.next)];
    if (options_.samples > 0 && static_cast<int64_t>(taken.size()) == options_.samples) break;
    int32_t& known = lengths_[static_cast<size_t>(index)];
    if (options_.tokens > 0 && !taken.empty() && tokens + known > options_.tokens) break;
    TrainingSample sample = data_.sample(index);
    known = static_cast<int32_t>(sample.ids.size());
    if (options_.tokens > 0 && !taken.empty() && tokens + known > options_.tokens) break;
    tokens += known;
    batch.samples.push_back(index);
    taken.push_back(std::move(sample));
  }
  if (position_.next == data_.size()) {
    batch.ends_epoch = true;
    position_ = {position_.epoch + 1, 0};
  }
  return taken;
}

TrainingBatch TrainingBatches::next() {
  TrainingBatch taken;
  const std::vector<TrainingSample> samples = take(taken);
  TrainingBatch batch = make_batch(samples);
  batch.samples = std::move(taken.samples);
  batch.epoch = taken.epoch;
  batch.ends_epoch = taken.ends_epoch;
  return batch;
}

int64_t TrainingBatches::count(int64_t epoch) {
  if (options_.tokens == 0) return (data_.size() + options_.samples - 1) / options_.samples;
  int64_t batches = 0, tokens = 0, samples = 0;
  for (const int64_t index : epoch_order(data_.size(), options_, epoch)) {
    const int64_t more = length(index);
    const bool full = options_.samples > 0 && samples == options_.samples;
    if (batches == 0 || full || tokens + more > options_.tokens) {
      ++batches;
      tokens = samples = 0;
    }
    tokens += more;
    ++samples;
  }
  return batches;
}

}  // namespace mop
