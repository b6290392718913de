#include "base/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace mop {
namespace {

TEST(Nearest, IsTheNameWithFewSlips) {
  const std::vector<std::string> known = {"criteria", "branches", "least-squares", "kl", "mha"};
  EXPECT_EQ(nearest("critera", known), "criteria");
  EXPECT_EQ(nearest("brnachse", known), "branches") << "two pairs of letters swapped";
  EXPECT_EQ(nearest("leastsquares", known), "least-squares");
  EXPECT_EQ(nearest("k1", known), "kl");
  EXPECT_EQ(nearest("frobnicate", known), "");
  EXPECT_EQ(nearest("all", known), "") << "short names all resemble each other";
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest("KL", known), "kl");
}

TEST(Nearest, IsTheNameThatALongerOneBeginsWith) {
  const std::vector<std::string> known = {"--out", "--of"};
  EXPECT_EQ(nearest("--output", known), "--out");
  const std::vector<std::string> longer = {"--out", "--calibration", "--max-new-tokens",
                                           "wanda-sp"};
  EXPECT_EQ(nearest("--calib", longer), "--calibration");
  EXPECT_EQ(nearest("--max-tokens", longer), "--max-new-tokens");
  EXPECT_EQ(nearest("--tokens-max", longer), "") << "in order";
  EXPECT_EQ(nearest("wanda", longer), "wanda-sp");
  EXPECT_EQ(nearest("----", longer), "");
  EXPECT_EQ(nearest(std::string(100000, '-'), known), "") << "no name is so long";
}

TEST(Nearest, IsAskedForInWords) {
  const std::vector<std::string> known = {"width", "depth"};
  EXPECT_EQ(did_you_mean("widht", known), "did you mean 'width'?");
  EXPECT_EQ(with_nearest("widht", known), "widht (did you mean 'width'?)");
  EXPECT_EQ(with_nearest("breadth", known), "breadth");
}

}  // namespace
}  // namespace mop
