// tests/unit/jobs/prepared_run_test.cc -- what a run tells and refuses before it begins.
#include "jobs/prepared_run.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/json.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// The embedded model: hidden 192, 6 heads of 32 over 3 KV heads, MLP 512.
PreparedRun prepared(const std::string& settings) {
  const auto assets = demo_model().parent_path();
  Json recipe = {{"model", demo_model().string()},
                 {"calibration",
                  {{"file", (assets / "text/generated-calibration.txt").string()},
                   {"samples", 8},
                   {"max_tokens", 8}}},
                 {"target", {{"remove", 0.3}}}};
  recipe.update(parse_yaml(settings, "test"));
  return prepare(recipe_from_json(recipe), silent_progress());
}

std::vector<std::string> warnings_of(const std::string& settings) {
  return prepared(settings).warnings;
}

// Returns the error for groups of single weights that no size of the run divides; empty without.
std::string refused(const std::string& pattern, const std::string& settings) {
  try {
    prepared("{weights: {pattern: '" + pattern + "'}, " + settings.substr(1));
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "";
}

TEST(PreparedRun, TellsSettingsOfCriteriaThatNoBranchReads) {
  const auto told = Contains(
      HasSubstr("settings of 'obs-neurons' have no effect: no branch of the run reads this"));
  EXPECT_THAT(warnings_of("{obs-neurons: {damping: 0.1}}"), told) << "the default method";
  EXPECT_THAT(warnings_of("{width: {criterion: amp}, obs-neurons: {damping: 0.1}}"), told);
  EXPECT_THAT(warnings_of("{width: {criterion: obs}, obs-neurons: {damping: 0.1}}"), Not(told));
}

TEST(Pattern, TheDefaultMethodsWidthsAreKnownByTheirMultiplesOnly) {
  EXPECT_THAT(refused("8:16", "{}"),
              HasSubstr("weights.pattern 8:16 needs inputs in multiples of 16, but branch 'damage' "
                        "leaves MLP widths in multiples of 8"));
  EXPECT_EQ(refused("2:4", "{}"), "");
  EXPECT_EQ(refused("8:16", "{width: {shape_multiple: 16}}"), "");
}

TEST(Pattern, WhatAnAllocationSpreadsIsNotTheCountOfEqualLayers) {
  // Equal layers keep 332 neurons, which groups of four divide.
  const auto settings = [](const std::string& allocation) {
    return "{target: {remove: 0.2975}, width: {criterion: amp, shape_multiple: 2, head_multiple: "
           "1, allocation: " +
           allocation + "}}";
  };
  EXPECT_EQ(refused("2:4", settings("uniform")), "");
  EXPECT_THAT(refused("2:4", settings("global")),
              HasSubstr("branch 'width' leaves MLP widths in multiples of 2"));
}

TEST(Pattern, HeadsGoInGroupsWhoseWidthMayBeAMultiple) {
  // Groups of two heads of 32.
  EXPECT_EQ(refused("32:64", "{width: {shape_multiple: 64, head_multiple: 1}}"), "");
}

}  // namespace
}  // namespace mop::testing
