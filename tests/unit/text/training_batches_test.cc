#include "text/training_batches.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "unit/text/byte_tokenizer.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using Ids = std::vector<int64_t>;

// Lines of 1, 2, ... `lines` bytes; with BOS a token more.
class Batches : public ::testing::Test {
 protected:
  TrainingData data(int lines) {
    std::string text;
    for (int i = 1; i <= lines; ++i) text += std::string(static_cast<size_t>(i), 'a') + "\n";
    write_file(folder_.path() / "a.txt", text);
    return TrainingData::open(folder_.path() / "a.txt", std::make_shared<testing::ByteTokenizer>());
  }
  testing::TempFolder folder_;
};

BatchOptions options(int64_t samples, int64_t tokens, bool shuffle = false, uint64_t seed = 0) {
  BatchOptions options;
  options.samples = samples;
  options.tokens = tokens;
  options.shuffle = shuffle;
  options.seed = seed;
  return options;
}

TEST(MakeBatch, TargetsAreTheNextTokensOfTheSameSample) {
  const std::vector<TrainingSample> samples = {{{1, 2, 3}, {kNoLoss, kNoLoss, 3}},
                                               {{4, 5}, {4, 5}}};
  const TrainingBatch batch = make_batch(samples);
  EXPECT_TRUE(batch.ids_N.equal(at::tensor({1, 2, 3, 4, 5}, at::kLong)));
  EXPECT_TRUE(batch.targets_N.equal(at::tensor({-100, 3, -100, 5, -100}, at::kLong)));
  EXPECT_THAT(batch.lengths, ElementsAre(3, 2));
  EXPECT_EQ(batch.loss_tokens, 2);
}

TEST_F(Batches, PackingFillsUpToTheBudgetAndNeverCrossesAnEpoch) {
  TrainingBatches batches(data(5), options(0, 7));  // tokens: 2, 3, 4, 5, 6
  EXPECT_EQ(batches.count(0), 4);
  std::vector<Ids> seen;
  for (int i = 0; i < 4; ++i) {
    const TrainingBatch batch = batches.next();
    EXPECT_EQ(batch.epoch, 0);
    EXPECT_EQ(batch.ends_epoch, i == 3);
    seen.push_back(batch.samples);
  }
  EXPECT_THAT(seen, ElementsAre(Ids{0, 1}, Ids{2}, Ids{3}, Ids{4}));
  EXPECT_EQ(batches.next().epoch, 1);
}

TEST_F(Batches, SampleLongerThanTheBudgetComesAlone) {
  TrainingBatches batches(data(3), options(0, 1));
  EXPECT_EQ(batches.count(0), 3);
  EXPECT_THAT(batches.next().lengths, ElementsAre(2));
}

TEST_F(Batches, SamplesAloneCountWithoutReading) {
  TrainingBatches batches(data(5), options(2, 0));
  EXPECT_EQ(batches.count(0), 3);
  EXPECT_THAT(batches.next().samples, ElementsAre(0, 1));
  batches.next();
  const TrainingBatch last = batches.next();
  EXPECT_THAT(last.samples, ElementsAre(4));
  EXPECT_TRUE(last.ends_epoch);
}

TEST_F(Batches, ShufflingIsAPermutationThatSeedAndEpochDecide) {
  const auto order = [&](uint64_t seed, int64_t epoch) {
    return epoch_order(50, options(1, 0, true, seed), epoch);
  };
  Ids sorted = order(1, 0);
  EXPECT_EQ(sorted, order(1, 0));
  EXPECT_NE(order(1, 0), order(1, 1));
  EXPECT_NE(order(1, 0), order(2, 0));
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, epoch_order(50, options(1, 0), 0));
}

TEST_F(Batches, ContinueExactlyWhereTheyStood) {
  const TrainingData lines = data(9);
  for (const BatchOptions& how : {options(2, 0, true, 3), options(0, 12, true, 3)}) {
    TrainingBatches once(lines, how);
    for (int i = 0; i < 7; ++i) once.next();
    TrainingBatches again(lines, how);
    again.seek(once.position());
    for (int i = 0; i < 9; ++i) {
      const TrainingBatch a = once.next(), b = again.next();
      EXPECT_EQ(a.samples, b.samples);
      EXPECT_TRUE(a.ids_N.equal(b.ids_N));
      EXPECT_EQ(a.ends_epoch, b.ends_epoch);
    }
  }
}

TEST_F(Batches, CountIsWhatComes) {
  TrainingBatches batches(data(20), options(3, 25, true, 9));
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    const int64_t expected = batches.count(epoch);
    int64_t seen = 0;
    for (bool more = true; more; ++seen) more = !batches.next().ends_epoch;
    EXPECT_EQ(seen, expected);
  }
}

TEST_F(Batches, WithoutABoundAreRefused) {
  EXPECT_THROW(TrainingBatches(data(2), options(0, 0)), Error);
}

}  // namespace
}  // namespace mop
