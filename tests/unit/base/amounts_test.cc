// tests/unit/base/amounts_test.cc -- counts and sizes as people read them.
#include "base/amounts.h"

#include <gtest/gtest.h>

namespace mop {
namespace {

TEST(Amounts, HaveThreeFiguresAndAUnit) {
  EXPECT_EQ(short_count(6738415616), "6.74 G");
  EXPECT_EQ(short_count(950), "950");
  EXPECT_EQ(short_bytes(950), "950 B");
  EXPECT_EQ(short_bytes(999600), "1.00 MB");
  EXPECT_EQ(short_bytes(13476831232), "13.5 GB");
}

TEST(Amounts, HaveThreeFiguresOrFour) {
  EXPECT_EQ(long_bytes(13476831232), "13.48 GB");
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(999'400), "999 k");
  EXPECT_EQ(long_count(999'400), "999.4 k");
  EXPECT_EQ(short_count(999'600), "1.00 M");
  EXPECT_EQ(long_count(999'960), "1.000 M");
  EXPECT_EQ(long_count(5'657'280), "5.657 M");
}

}  // namespace
}  // namespace mop
