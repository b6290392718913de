#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/progress.h"

namespace mop {
namespace {

// The numbers are part of every recorded run: they may never change.
TEST(Random, TheNumbersOfASeedNeverChange) {
  Random random(1);
  const std::vector<uint64_t> numbers = {random.bits(), random.bits(), random.below(1000)};
  Random again(1);
  EXPECT_EQ(numbers, (std::vector<uint64_t>{again.bits(), again.bits(), again.below(1000)}));
  EXPECT_EQ(numbers[0], 0xBEEB8DA1658EEC67ull);
}

TEST(Random, SeedsAndStreamsDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (uint64_t stream = 0; stream < 20; ++stream) seen.insert(Random(seed, stream).bits());
  }
  EXPECT_EQ(seen.size(), 400u);
}

TEST(Random, BelowIsUniformAndInRange) {
  Random random(5);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts.at(random.below(7));
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_LT(random.below(UINT64_MAX), UINT64_MAX);
}

TEST(Random, UniformFillsTheUnitInterval) {
  Random random(6);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.01);
}

TEST(Random, ASampleRepeatsNothing) {
  Random random(7);
  std::vector<int64_t> all = random.sample(50, 50);
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
  const std::vector<int64_t> some = random.sample(1000, 10);
  EXPECT_EQ(std::set<int64_t>(some.begin(), some.end()).size(), 10u);
}

TEST(Progress, AStopRequestEndsTheWorkWithItsOwnKindOfError) {
  EXPECT_EQ(stop_requested(), 0);
  check_stop();
  request_stop(15);
  EXPECT_EQ(stop_requested(), 15);
  try {
    check_stop();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
  }
  request_stop(0);
}

}  // namespace
}  // namespace mop
