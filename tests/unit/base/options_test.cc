#include "base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace mop {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;

template <typename Call>
std::string usage_error_of(Call call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "no error";
}

TEST(Options, GivesTheSettingOrTheFallback) {
  const Options options("width", {{"n", 3}, {"x", 0.5}, {"on", true}, {"s", "text"}});
  EXPECT_EQ(options.integer("n", 1), 3);
  EXPECT_EQ(options.number("n", 1), 3.0);
  EXPECT_EQ(options.number("x", 1), 0.5);
  EXPECT_TRUE(options.flag("on", false));
  EXPECT_EQ(options.text("s", ""), "text");
  EXPECT_EQ(options.integer("absent", 7), 7);
  EXPECT_TRUE(options.has("n"));
  EXPECT_FALSE(options.has("absent"));
  options.check_all_used();
}

TEST(Options, AnotherTypeIsRefusedWithItsPlace) {
  const Options options("width", {{"n", 3}, {"x", 0.5}, {"s", "text"}, {"huge", UINT64_MAX}});
  EXPECT_THAT(usage_error_of([&] { options.integer("x", 0); }),
              HasSubstr("width.x must be a whole number, got 0.5"));
  EXPECT_THAT(usage_error_of([&] { options.integer("huge", 0); }),
              HasSubstr("width.huge must be a whole number"));
  EXPECT_THAT(usage_error_of([&] { options.number("s", 0); }),
              HasSubstr("width.s must be a number, got \"text\""));
  EXPECT_THAT(usage_error_of([&] { options.flag("n", false); }),
              HasSubstr("width.n must be true or false"));
  EXPECT_THAT(usage_error_of([&] { options.text("n", ""); }), HasSubstr("width.n must be a text"));
  EXPECT_THAT(usage_error_of([] { Options("width", Json::array()); }),
              HasSubstr("width must be a map of settings"));
}

TEST(Options, ASettingThatNobodyReadIsATypingMistake) {
  const Options options("width", {{"budget", "exact"}, {"bugdet", "exact"}});
  options.text("budget", "");
  options.integer("multiple", 1);
  EXPECT_THAT(
      usage_error_of([&] { options.check_all_used(); }),
      AllOf(HasSubstr("width does not know: bugdet"), HasSubstr("known: budget, multiple")));
}

TEST(Options, CopiesAreIndependent) {
  const Options first("a", {{"n", 3}});
  const Options second = first;
  EXPECT_EQ(second.integer("n", 0), 3);
  second.check_all_used();
  EXPECT_NE(usage_error_of([&] { first.check_all_used(); }), "no error");
}

TEST(Options, NumbersAreFinite) {
  for (const double value : {double(NAN), double(INFINITY), -double(INFINITY)}) {
    const Options options("target", {{"remove", value}});
    EXPECT_THAT(error_of([&] { options.number("remove", 0); }),
                HasSubstr("target.remove must be a finite number"));
  }
}

}  // namespace
}  // namespace mop
