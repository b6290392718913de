#include "report/scale.h"

#include <gmock/gmock.h>

#include <cmath>

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> labels(const Scale& scale, int count, double least_step = 0) {
  std::vector<std::string> all;
  for (const Tick& tick : ticks(scale, count, least_step)) all.push_back(tick.label);
  return all;
}

TEST(ScaleMap, IsLinearOrLogarithmic) {
  EXPECT_DOUBLE_EQ((Scale{0, 10, 100, 200})(2.5), 125);
  EXPECT_DOUBLE_EQ((Scale{0, 10, 200, 100})(2.5), 175) << "y points down";
  EXPECT_NEAR((Scale{1, 100, 0, 10, true})(10), 5, 1e-12);
}

TEST(ScaleOf, HoldsFiniteValuesAndLeavesOthersOut) {
  const Scale scale = scale_of({3, NAN, 7, INFINITY}, false, 0, 1);
  EXPECT_LT(scale.low, 3);
  EXPECT_GT(scale.high, 7);
  EXPECT_LT(scale.high, 8);
  const Scale logarithmic = scale_of({0, -1, 10, 1000}, true, 0, 1);
  EXPECT_TRUE(logarithmic.logarithmic);
  EXPECT_GT(logarithmic.low, 1);
}

TEST(ScaleOf, OfOneValueOrNoneIsAnInterval) {
  const Scale one = scale_of({5}, false, 0, 1);
  EXPECT_LT(one.low, 5);
  EXPECT_GT(one.high, 5);
  EXPECT_LT(scale_of({}, false, 0, 1).low, scale_of({}, false, 0, 1).high);
  EXPECT_FALSE(scale_of({-1, 0}, true, 0, 1).logarithmic) << "nothing to take a logarithm of";
  EXPECT_GT(scale_of({3}, true, 0, 1).high, 3);
}

TEST(Ticks, AreRoundNumbersWithSensibleDigits) {
  EXPECT_THAT(labels({0, 1, 0, 1}, 4), ElementsAre("0", "0.5", "1.0"));
  EXPECT_THAT(labels({0, 4, 0, 1}, 4), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_THAT(labels({3.9e6, 5.2e6, 0, 1}, 3), ElementsAre("4.0 M", "4.5 M", "5.0 M"));
  EXPECT_THAT(labels({900, 2100, 0, 1}, 3), ElementsAre("1,000", "1,500", "2,000"));
  EXPECT_THAT(labels({0.8, 2.2, 0, 1}, 5, 1), ElementsAre("1", "2")) << "steps are whole";
}

TEST(Ticks, OfALogarithmicScaleArePowersOfTenWhereTheyAreEnough) {
  EXPECT_THAT(labels({0.5, 2000, 0, 1, true}, 4), ElementsAre("1", "10", "100", "1,000"));
  EXPECT_THAT(labels({2, 40, 0, 1, true}, 4), ElementsAre("3", "10", "30"));
  EXPECT_THAT(ticks({1e-12, 1, 0, 1, true}, 4), SizeIs(::testing::Le(7)));
}

TEST(FigureText, HasThreeDigits) {
  EXPECT_EQ(figure_text(4.163138), "4.16");
  EXPECT_EQ(figure_text(14.895), "14.9");
  EXPECT_EQ(figure_text(522.05), "522");
  EXPECT_EQ(figure_text(12345.6), "12,346");
  EXPECT_EQ(figure_text(0.04333), "0.0433");
  EXPECT_EQ(figure_text(1.5e-5), "1.50e-05");
  EXPECT_EQ(figure_text(NAN), "-");
  EXPECT_EQ(figure_text(0), "0");
}

TEST(Scales, TakeValuesThatDifferByRoundingAsEqual) {
  for (const bool logarithmic : {false, true}) {
    const Scale scale = scale_of({1.6, std::nextafter(1.6, 2)}, logarithmic, 0, 100);
    EXPECT_GT(scale.high, scale.low * 1.01);
    EXPECT_LT(ticks(scale, 4).size(), 20u);
  }
}

// Whole numbers above 2^53 do not change when one is added.
TEST(Ticks, OfEndsThatAreTooCloseAreNone) {
  EXPECT_THAT(labels({1e17, 1e17 + 16, 0, 1}, 4), IsEmpty());
  EXPECT_THAT(labels({1, 1 + 1e-15, 0, 1, true}, 4), SizeIs(::testing::Le(6)));
  EXPECT_THAT(labels({5, 5, 0, 1}, 4), IsEmpty());
  EXPECT_THAT(labels({0, 5e-324, 0, 1}, 4), IsEmpty());
}

TEST(Ticks, OfEndsThatAreNoNumbersOrTooFarApartAreNone) {
  EXPECT_THAT(labels({0, NAN, 0, 1}, 4), IsEmpty());
  EXPECT_THAT(labels({-1e308, 1e308, 0, 1}, 4), IsEmpty());
  EXPECT_THAT(labels({0, INFINITY, 0, 1, true}, 4), IsEmpty());
  EXPECT_THAT(labels({1e-300, 1e300, 0, 1, true}, 4), IsEmpty());
}

}  // namespace
}  // namespace mop
