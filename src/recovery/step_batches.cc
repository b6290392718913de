// recovery/step_batches.cc
#include "recovery/step_batches.h"

#include <ATen/ATen.h>

#include <cmath>
#include <span>

#include "base/error.h"

namespace mop {
namespace {

at::Tensor token_weights(const TrainingBatch& batch, double weight) {
  return batch.targets_N.ne(kNoLoss).to(at::kFloat).mul_(weight);
}

// Returns a dropout key per token that does not depend on piece, step and rank: the sample's number
// in the whole run and the position in it.
at::Tensor token_keys(const TrainingBatch& batch, int64_t data_size) {
  std::vector<at::Tensor> keys;
  for (size_t i = 0; i < batch.lengths.size(); ++i) {
    const int64_t number = batch.epoch * data_size + batch.samples[i];
    keys.push_back(at::arange(batch.lengths[i], at::TensorOptions(at::kLong)) + (number << 32));
  }
  return at::cat(keys);
}

// Concatenates micro-batches while they fit. One that is larger than a piece is divided between its
// samples.
class Pieces {
 public:
  explicit Pieces(int64_t most_tokens) : most_tokens_(most_tokens) {}

  /// keys_N may be undefined, then for all batches.
  void add(const TrainingBatch& batch, double weight, const at::Tensor& keys_N = {}) {
    const Rows all = {batch.ids_N, batch.targets_N.clamp_min(0), token_weights(batch, weight),
                      keys_N};
    if (batch.ids_N.size(0) <= most_tokens_) return add(all, batch.lengths);
    int64_t first = 0;
    for (const int64_t length : batch.lengths) {
      add(all.narrow(first, length), {&length, 1});
      first += length;
    }
  }

  std::vector<TrainingPiece> finish() {
    if (tokens_ > 0) close();
    return std::move(done_);
  }

 private:
  struct Rows {
    at::Tensor ids_N, targets_N, weights_N, keys_N;
    Rows narrow(int64_t first, int64_t length) const {
      const auto part = [&](const at::Tensor& of_N) {
        return of_N.defined() ? of_N.narrow(0, first, length) : of_N;
      };
      return {part(ids_N), part(targets_N), part(weights_N), part(keys_N)};
    }
  };

  void add(const Rows& rows, std::span<const int64_t> lengths) {
    const int64_t tokens = rows.ids_N.size(0);
    if (tokens_ > 0 && tokens_ + tokens > most_tokens_) close();
    ids_.push_back(rows.ids_N);
    targets_.push_back(rows.targets_N);
    weights_.push_back(rows.weights_N);
    if (rows.keys_N.defined()) keys_.push_back(rows.keys_N);
    lengths_.insert(lengths_.end(), lengths.begin(), lengths.end());
    tokens_ += tokens;
  }

  void close() {
    TrainingPiece piece;
    piece.packing.lengths = std::exchange(lengths_, {});
    piece.ids_N = at::cat(std::exchange(ids_, {}));
    piece.targets_N = at::cat(std::exchange(targets_, {}));
    piece.weights_N = at::cat(std::exchange(weights_, {}));
    if (!keys_.empty()) piece.keys_N = at::cat(std::exchange(keys_, {}));
    done_.push_back(std::move(piece));
    tokens_ = 0;
  }

  const int64_t most_tokens_;
  int64_t tokens_ = 0;
  std::vector<int64_t> lengths_;
  std::vector<at::Tensor> ids_, targets_, weights_, keys_;
  std::vector<TrainingPiece> done_;
};

}  // namespace

StepBatches next_step(TrainingBatches& batches, const TrainOptions& options,
                      const Collectives& ranks) {
  StepBatches step;
  std::vector<TrainingBatch> micro;
  const bool at_start = batches.position().next == 0;
  for (int64_t i = 0; i < options.accumulate; ++i) {
    micro.push_back(batches.next());
    step.tokens += micro.back().ids_N.size(0);
    step.scored_tokens += micro.back().loss_tokens;
    step.samples += static_cast<int64_t>(micro.back().lengths.size());
    // Under the rule `samples` only if the epoch has no more than one step, as transformers 4.45.
    if (micro.back().ends_epoch && (options.rule == Accumulation::kTokens || at_start)) break;
  }
  Pieces pieces(options.piece_tokens);
  for (size_t i = 0; i < micro.size(); ++i) {
    if (static_cast<int64_t>(i) % ranks.size() != ranks.rank()) continue;
    const int64_t scored = options.rule == Accumulation::kTokens
                               ? step.scored_tokens
                               : micro[i].loss_tokens * options.accumulate;
    pieces.add(micro[i], scored == 0 ? 0 : 1 / static_cast<double>(scored),
               token_keys(micro[i], batches.data().size()));
  }
  step.pieces = pieces.finish();
  return step;
}

int64_t steps_of_epochs(TrainingBatches& batches, const TrainOptions& options) {
  const double epochs = options.epochs;
  const auto whole = static_cast<int64_t>(std::ceil(epochs));
  if (options.rule == Accumulation::kSamples) {
    const int64_t each = std::max<int64_t>(batches.count(0) / options.accumulate, 1);
    return static_cast<int64_t>(std::ceil(epochs * static_cast<double>(each)));
  }
  double steps = 0;
  for (int64_t epoch = 0; epoch < whole; ++epoch) {
    const int64_t micro = batches.count(epoch);
    const int64_t each = (micro + options.accumulate - 1) / options.accumulate;
    steps += static_cast<double>(each) * std::min(1.0, epochs - static_cast<double>(epoch));
  }
  return static_cast<int64_t>(std::ceil(steps - 1e-9));
}

std::vector<TrainingPiece> validation_pieces(const TrainingData& data, int64_t piece_tokens,
                                             const Collectives& ranks) {
  Pieces pieces(piece_tokens);
  const auto [first, last] = rank_share(data.size(), ranks);
  for (int64_t i = first; i < last; ++i) {
    const TrainingSample sample = data.sample(i);
    pieces.add(make_batch({&sample, 1}), 1);
  }
  return pieces.finish();
}

}  // namespace mop
