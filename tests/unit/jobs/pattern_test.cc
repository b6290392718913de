// tests/unit/jobs/pattern_test.cc -- groups of single weights that no size of a run divides are
// refused before it.
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/json.h"
#include "jobs/prepared_run.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

// The embedded model: hidden 192, 6 heads of 32 over 3 KV heads, MLP 512.
std::string refused(const std::string& pattern, const std::string& settings) {
  const auto assets = demo_model().parent_path();
  Json recipe = {{"model", demo_model().string()},
                 {"calibration",
                  {{"file", (assets / "text/generated-calibration.txt").string()},
                   {"samples", 8},
                   {"max_tokens", 8}}},
                 {"target", {{"remove", 0.3}}},
                 {"weights", {{"pattern", pattern}}}};
  recipe.update(parse_yaml(settings, "test"));
  try {
    prepare(recipe_from_json(recipe), silent_progress());
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "";
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
           "1, "
           "allocation: " +
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
