#include "plan/target.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/configs.h"
#include "model/family.h"

namespace mop {
namespace {

using testing::tinystories_12l;

std::optional<int64_t> amount_next(const Target& target, const ModelConfig& dense,
                                   const ModelConfig& current, int64_t steps_done) {
  const auto budget = next_budget(target, dense, current, steps_done);
  return budget ? std::optional(budget->amount) : std::nullopt;
}

TEST(Rounds, RemoveTheFractionInEqualShares) {
  const ModelConfig dense = tinystories_12l();
  const Target target{.remove_fraction = 0.3, .of_blocks = true, .rounds = 2};
  const auto goal =
      static_cast<int64_t>(std::ceil(0.3 * static_cast<double>(block_parameters(dense))));
  EXPECT_EQ(amount_next(target, dense, dense, 0), (goal + 1) / 2);
  ModelConfig half = dense;
  for (LayerShape& shape : half.layers)
    shape.mlp -= 127;  // the first round took more than its share
  const int64_t removed = block_parameters(dense) - block_parameters(half);
  EXPECT_EQ(amount_next(target, dense, half, 1), goal - removed);
  EXPECT_EQ(amount_next(target, dense, half, 2), std::nullopt);
}

TEST(Rounds, ThatLeaveMoreThanRoundingDoesMissTheTarget) {
  const ModelConfig dense = tinystories_12l();
  ModelConfig after = dense;
  for (LayerShape& shape : after.layers) shape.mlp -= 64;  // 9.1% of the blocks
  Target target{.remove_fraction = 0.1, .of_blocks = true, .rounds = 1};
  const auto missing =
      static_cast<int64_t>(std::ceil(0.1 * static_cast<double>(block_parameters(dense)))) -
      (block_parameters(dense) - block_parameters(after));
  target.most_missing = missing;
  EXPECT_EQ(amount_next(target, dense, after, 1), std::nullopt);
  EXPECT_EQ(missed_target(target, dense, after), "");
  target.most_missing = missing - 1;
  EXPECT_THROW(amount_next(target, dense, after, 1), Error);
  EXPECT_THAT(missed_target(target, dense, after),
              ::testing::StartsWith("the run removed 9.08%, and the target is 10.00%"));
  target.most_missing = missing;
  target.shape_multiple = 64;
  EXPECT_THROW(amount_next(target, dense, dense, 1), Error) << "nothing was removed";
}

TEST(Rounds, EndWhereNothingRemains) {
  const ModelConfig dense = tinystories_12l();
  ModelConfig after = dense;
  for (LayerShape& shape : after.layers) shape.mlp -= 256;
  EXPECT_EQ(amount_next({.remove_fraction = 0.2, .of_blocks = true, .rounds = 3}, dense, after, 1),
            std::nullopt);
}

TEST(Rounds, GoOnWithTheNextRoundThatMissesSomething) {
  const ModelConfig dense = tinystories_12l();
  ModelConfig after = dense;
  for (LayerShape& shape : after.layers) shape.mlp -= 64;  // 9.1% of the blocks
  const Target target{.remove_fraction = 0.2, .of_blocks = true, .rounds = 4};
  const int64_t removed = block_parameters(dense) - block_parameters(after);
  const auto goal =
      static_cast<int64_t>(std::ceil(0.2 * static_cast<double>(block_parameters(dense))));
  const auto due = static_cast<int64_t>(std::ceil(0.5 * static_cast<double>(goal)));
  ASSERT_GT(removed, goal / 4);
  ASSERT_LT(removed, due);
  EXPECT_EQ(amount_next(target, dense, after, 1), due - removed) << "round 2";
  for (LayerShape& shape : after.layers) shape.mlp -= 32;  // beyond half the goal
  const int64_t more = block_parameters(dense) - block_parameters(after);
  const auto third = static_cast<int64_t>(std::ceil(0.75 * static_cast<double>(goal)));
  EXPECT_EQ(amount_next(target, dense, after, 1), third - more) << "round 2 has nothing to do";
}

TEST(Rounds, OfASizeGoOnUntilItIsReached) {
  const ModelConfig dense = tinystories_12l();
  ModelConfig after = dense;
  for (LayerShape& shape : after.layers) shape.mlp -= 64;
  const int64_t left = total_parameters(after);
  Target target{.size = static_cast<double>(left - 10), .rounds = 2};
  EXPECT_EQ(amount_next(target, dense, after, 2), 10);
  target.size = static_cast<double>(left);
  EXPECT_EQ(amount_next(target, dense, after, 2), std::nullopt);
}

TEST(Rounds, OfASizeInBytesCountParameters) {
  const ModelConfig dense = tinystories_12l();
  const auto bytes = static_cast<double>(2 * total_parameters(dense) + 300);
  const Target target{.size = bytes - 1001,
                      .currency = "memory",
                      .stored = {.element_bytes = 2, .extra_bytes = 300},
                      .rounds = 1};
  EXPECT_EQ(amount(target, dense), bytes);
  EXPECT_EQ(amount_next(target, dense, dense, 0), 501) << "half a parameter is a whole one";
}

TEST(Rounds, DivideAFractionAlone) {
  EXPECT_THROW(check_target({.iterations = 2, .rounds = 2}), Error);
  EXPECT_THROW(check_target({.remove_fraction = 0.2, .rounds = -1}), Error);
}

}  // namespace
}  // namespace mop
