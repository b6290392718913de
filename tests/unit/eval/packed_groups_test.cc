#include "eval/packed_groups.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mop {
namespace {

using ::testing::ElementsAre;

const std::vector<std::vector<int64_t>> kSequences = {
    {1, 2, 3}, {4, 5}, {6, 7, 8, 9, 10}, {11, 12}};

TEST(PackGroups, KeepsSequencesWholeAndInOrder) {
  const auto groups = pack_groups(kSequences, 5);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(groups[0].packing.lengths, ElementsAre(3, 2));
  EXPECT_THAT(groups[1].packing.lengths, ElementsAre(5));
  EXPECT_THAT(groups[2].packing.lengths, ElementsAre(2));
  EXPECT_TRUE(at::equal(groups[2].ids_N, at::tensor({11, 12}, at::kLong)));
}

TEST(PackGroups, GivesASequenceLongerThanTheLimitItsOwnGroup) {
  const auto groups = pack_groups(kSequences, 1);
  ASSERT_EQ(groups.size(), kSequences.size());
  EXPECT_THAT(groups[2].packing.lengths, ElementsAre(5));
}

TEST(PackGroups, TargetsStayInTheirSequence) {
  const auto groups = pack_groups(kSequences, 5);
  EXPECT_TRUE(at::equal(groups[0].targets_N, at::tensor({2, 3, -1, 5, -1}, at::kLong)));
}

TEST(PackGroups, OfNothingAreNone) { EXPECT_TRUE(pack_groups({}, 10).empty()); }

TEST(GroupTokens, BoundTheHiddenStates) {
  ModelConfig large;
  large.hidden = 4096;
  EXPECT_EQ(group_tokens(large, {at::kBFloat16, c10::kCPU}), 32768);
  EXPECT_EQ(group_tokens(large, {at::kFloat, c10::kCPU}), 16384);
  ModelConfig small;
  small.hidden = 64;
  EXPECT_EQ(group_tokens(small, {at::kFloat, c10::kCPU}), 65536);
}

}  // namespace
}  // namespace mop
