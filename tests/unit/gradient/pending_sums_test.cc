#include "gradient/pending_sums.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace mop {
namespace {

at::Tensor number(double value) { return at::full({}, value, at::kDouble); }

TEST(PendingSums, AreReadInTheOrderOfTheirTerms) {
  std::vector<PendingSum> sums(3);
  sums[0].add(number(1e16));
  sums[0].add(number(-1e16));
  sums[0].add(number(1));
  sums[2].add(number(2.5));
  EXPECT_THAT(read_sums(sums), testing::ElementsAre(1, 0, 2.5));
}

TEST(PendingSums, NothingIsZero) { EXPECT_THAT(read_sums({}), testing::IsEmpty()); }

}  // namespace
}  // namespace mop
