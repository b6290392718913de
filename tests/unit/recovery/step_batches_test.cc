// tests/unit/recovery/step_batches_test.cc -- which samples a step takes, and how they are divided
// into pieces.
#include "recovery/step_batches.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "unit/recovery/texts.h"

namespace mop {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> lengths_of(const StepBatches& step) {
  std::vector<int64_t> tokens;
  for (const TrainingPiece& piece : step.pieces) tokens.push_back(piece.ids_N.size(0));
  return tokens;
}

// 16 tokens a sample.
TEST(StepBatches, AMicroBatchLargerThanAPieceIsDividedBetweenItsSamples) {
  BatchOptions batch;
  batch.samples = 5;
  TrainOptions options;
  options.accumulate = 1;
  options.rule = Accumulation::kTokens;
  options.piece_tokens = 40;
  TrainingBatches batches(texts(0, 5), batch);
  const StepBatches divided = next_step(batches, options, one_rank());
  EXPECT_THAT(lengths_of(divided), ElementsAre(32, 32, 16));
  options.piece_tokens = 1000;
  TrainingBatches again(texts(0, 5), batch);
  const StepBatches whole = next_step(again, options, one_rank());
  ASSERT_EQ(whole.pieces.size(), 1u);
  std::vector<at::Tensor> ids, weights, keys;
  for (const TrainingPiece& piece : divided.pieces) {
    ids.push_back(piece.ids_N);
    weights.push_back(piece.weights_N);
    keys.push_back(piece.keys_N);
  }
  EXPECT_TRUE(at::equal(at::cat(ids), whole.pieces[0].ids_N));
  EXPECT_TRUE(at::equal(at::cat(weights), whole.pieces[0].weights_N));
  EXPECT_TRUE(at::equal(at::cat(keys), whole.pieces[0].keys_N));
}

// transformers 4.45: an epoch of no more than `accumulate` micro-batches is one step.
TEST(StepBatches, AShortEpochIsOneStepUnderBothRules) {
  for (const Accumulation rule : {Accumulation::kSamples, Accumulation::kTokens}) {
    TrainOptions options;
    options.accumulate = 16;
    options.rule = rule;
    options.epochs = 2;
    options.piece_tokens = 1000;
    TrainingBatches batches(texts(0, 3), {});
    EXPECT_EQ(steps_of_epochs(batches, options), 2);
    for (int step = 0; step < 2; ++step) {
      EXPECT_EQ(next_step(batches, options, one_rank()).samples, 3);
    }
    EXPECT_EQ(batches.position().epoch, 2);
  }
}

TEST(StepBatches, ALongerEpochGoesOnIntoTheNextUnderTheRuleOfSamples) {
  TrainOptions options;
  options.accumulate = 4;
  options.rule = Accumulation::kSamples;
  options.piece_tokens = 1000;
  TrainingBatches batches(texts(0, 6), {});
  for (int step = 0; step < 3; ++step) {
    EXPECT_EQ(next_step(batches, options, one_rank()).samples, 4);
  }
  EXPECT_EQ(batches.position().epoch, 2);
}

}  // namespace
}  // namespace mop
