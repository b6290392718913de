#include "base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace mop {
namespace {
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Option<int64_t> kN = {
    .name = "n", .default_value = 1, .range = at_least(1), .help = "a count"};
const Option<double> kX = {
    .name = "x", .default_value = 0.5, .range = between(0, 1), .help = "a share"};
const Option<bool> kOn = {.name = "on", .default_value = false, .help = "a switch"};
const Option<std::string> kMode = {.name = "mode",
                                   .default_value = "exact",
                                   .range = one_of({"exact", "released"}),
                                   .help = "a way"};
const Option<std::vector<double>> kRates = {
    .name = "rates", .unset = "the method's", .range = above(0), .help = "steps"};
const Option<std::vector<int64_t>> kLayers = {
    .name = "layers", .default_value = std::vector<int64_t>(), .help = "layers"};
const std::vector<OptionSpec> kAll = {kN, kX, kOn, kMode, kRates, kLayers};

Options of(const Json& values) { return Options("width", values, kAll); }

std::string refusal(const Json& values) {
  try {
    of(values);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "no error";
}

TEST(Options, GivesTheSettingOrItsDeclaredDefault) {
  const Options given = of({{"n", 3},
                            {"x", 1},
                            {"on", true},
                            {"mode", "released"},
                            {"rates", {0.1, 1}},
                            {"layers", {0, -1}}});
  EXPECT_EQ(given.get(kN), 3);
  EXPECT_EQ(given.get(kX), 1.0);
  EXPECT_TRUE(given.get(kOn));
  EXPECT_EQ(given.get(kMode), "released");
  EXPECT_THAT(given.get(kRates, {}), ElementsAre(0.1, 1));
  EXPECT_THAT(given.get(kLayers), ElementsAre(0, -1));
  for (const Options& none : {of(Json::object()), Options()}) {
    EXPECT_EQ(none.get(kN), 1);
    EXPECT_EQ(none.get(kX), 0.5);
    EXPECT_FALSE(none.get(kOn));
    EXPECT_EQ(none.get(kMode), "exact");
    EXPECT_THAT(none.get(kRates, {7}), ElementsAre(7));
    EXPECT_FALSE(none.given(kN).has_value());
  }
  EXPECT_THAT(of({{"rates", 2}}).get(kRates, {}), ElementsAre(2)) << "one number is a list of one";
}

TEST(Options, AnotherTypeIsRefusedWithItsPlace) {
  EXPECT_THAT(refusal({{"n", 0.5}}), HasSubstr("width.n must be a whole number, got 0.5"));
  EXPECT_THAT(refusal({{"n", UINT64_MAX}}), HasSubstr("width.n must be a whole number"));
  EXPECT_THAT(refusal({{"x", "text"}}), HasSubstr("width.x must be a number, got \"text\""));
  EXPECT_THAT(refusal({{"on", 1}}), HasSubstr("width.on must be true or false"));
  EXPECT_THAT(refusal({{"mode", 1}}), HasSubstr("width.mode must be a text"));
  EXPECT_THAT(refusal({{"rates", {1, "2"}}}), HasSubstr("a number or a list of numbers"));
  EXPECT_THAT(refusal({{"rates", Json::array()}}), HasSubstr("a number or a list of numbers"));
  EXPECT_THAT(refusal({{"layers", 3}}), HasSubstr("width.layers must be a list of whole numbers"));
  EXPECT_THAT(refusal(Json::array()), HasSubstr("width must be a map of settings"));
}

TEST(Options, ValuesOutOfRangeAreRefused) {
  EXPECT_THAT(refusal({{"n", 0}}), HasSubstr("width.n must be at least 1, got 0"));
  EXPECT_THAT(refusal({{"x", -1}}), HasSubstr("width.x must be at least 0, at most 1, got -1"));
  EXPECT_THAT(refusal({{"rates", {1, 0}}}), HasSubstr("width.rates must be above 0, got 0"));
  EXPECT_EQ(refusal({{"n", 1}, {"x", 1}}), "no error") << "bounds are in";
  for (const double value : {double(NAN), double(INFINITY), -double(INFINITY)}) {
    EXPECT_THAT(refusal({{"x", value}}), HasSubstr("width.x must be a finite number"));
  }
}

TEST(Options, AnUnknownChoiceGetsTheNearest) {
  EXPECT_THAT(refusal({{"mode", "relaesed"}}),
              AllOf(HasSubstr("unknown width.mode 'relaesed': did you mean 'released'?"),
                    HasSubstr("known: exact, released")));
  EXPECT_THAT(refusal({{"mode", "cheap"}}), HasSubstr("unknown width.mode 'cheap'\n"));
}

TEST(Options, ASettingThatNobodyDeclaredGetsTheNearest) {
  EXPECT_THAT(refusal({{"mdoe", "exact"}, {"speed", 3}}),
              AllOf(HasSubstr("width does not know: mdoe (did you mean 'mode'?), speed"),
                    HasSubstr("known: n, x, on, mode, rates, layers")));
  EXPECT_THAT(
      [] {
        Options("bias", {{"n", 3}}, std::vector<OptionSpec>());
      },
      ::testing::ThrowsMessage<Error>(HasSubstr("it has no settings")));
}

TEST(Options, ADeclarationCannotBeReadAsSomethingElse) {
  const Option<int64_t> other = {.name = "other", .default_value = 1, .help = ""};
  const auto internal = [](const auto& call) {
    try {
      call();
    } catch (const Error& e) {
      return e.kind() == ErrorKind::kInternal ? std::string(e.what()) : std::string("usage");
    }
    return std::string("no error");
  };
  const Options options = of(Json::object());
  EXPECT_THAT(internal([&] { options.get(other); }), HasSubstr("width.other is read but not"));
  EXPECT_THAT(internal([&] { options.get(kRates); }), HasSubstr("width.rates has no default"));
  EXPECT_THAT(internal([&] { options.get(kN, 2); }), HasSubstr("width.n has a default"));
}

TEST(Options, CopiesAreIndependentAndKeepTheirDeclarations) {
  Options copy;
  {
    const Options first = of({{"n", 3}});
    copy = first;
  }
  EXPECT_EQ(copy.get(kN), 3);
  EXPECT_THROW(copy.get(Option<bool>{.name = "else", .default_value = true, .help = ""}), Error);
}

TEST(Options, AreFilledInWithTheirDefaults) {
  EXPECT_EQ(
      filled_in(of({{"x", 1}, {"mode", "released"}}), kAll),
      (Json{{"n", 1}, {"x", 1.0}, {"on", false}, {"mode", "released"}, {"layers", Json::array()}}));
}

TEST(OptionSpecs, SayEverythingAsJson) {
  const Option<double> rate = {.name = "rate",
                               .default_value = 5e-4,
                               .range = {.least = 0, .most = 1, .above_least = true},
                               .help = "of the first step"};
  EXPECT_EQ(to_json(OptionSpec(rate)), (Json{{"name", "rate"},
                                             {"type", "number"},
                                             {"default", 5e-4},
                                             {"range", {{"above", 0.0}, {"most", 1.0}}},
                                             {"help", "of the first step"}}));
  const Json open = to_json(OptionSpec(kRates));
  EXPECT_TRUE(open["default"].is_null());
  EXPECT_EQ(open["unset"], "the method's");
  EXPECT_EQ(to_json(OptionSpec(kMode))["range"]["choices"], Json({"exact", "released"}));
  EXPECT_EQ(range_text(rate.range), "above 0, at most 1");
  EXPECT_EQ(default_text(kLayers), "[]");
  EXPECT_EQ(default_text(kRates), "the method's");
}

}  // namespace
}  // namespace mop
