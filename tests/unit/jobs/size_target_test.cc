// tests/unit/jobs/size_target_test.cc -- sizes that a model should have, instead of fractions.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "jobs/target_text.h"
#include "kit/configs.h"
#include "kit/refusal.h"
#include "model/family.h"
#include "recipe/recipe.h"

namespace mop {
namespace {

using testing::expect_usage_error;
using ::testing::HasSubstr;
using testing::tinystories_12l;

Recipe from(const std::string& yaml) { return recipe_from_json(parse_yaml(yaml, "test")); }

TEST(SizeTarget, ASizeIsWhatMayBeLeft) {
  const ModelConfig dense = tinystories_12l();
  const int64_t all = total_parameters(dense);
  const auto left_by = [&](const std::string& yaml) {
    const Recipe recipe = resolve(from(yaml), dense);
    return estimated_accounting(recipe, dense)->steps.back().parameters;
  };
  for (const char* method : {"", "\nselect: 'path:LG'", "\nwidth: {criterion: amp}",
                             "\nwidth: {shape_multiple: 64}", "\nuniform: true"}) {
    const int64_t half = left_by(fmt::format("target: {{size: {}}}{}", all / 2, method));
    EXPECT_LE(half, all / 2) << method;
    EXPECT_GT(half, all / 2 - all / 10) << method;
  }
  EXPECT_EQ(left_by("target: {size: 3M}"), left_by("target: {size: 12MB, currency: memory}"))
      << "four bytes a parameter";
  const Recipe cache = resolve(from("target: {size: 4608, currency: kv-cache}"), dense);
  EXPECT_DOUBLE_EQ(cache.target.remove_fraction, 0.5);
  EXPECT_EQ(budget_function(cache, dense)(dense, 0)->amount, 9216 / 4);
  const Json written = to_json(resolve(from("target: {size: 12MB, currency: memory}"), dense));
  EXPECT_EQ(written["target"]["size"], "12MB");
  EXPECT_FALSE(written["target"].contains("remove"));
}

TEST(SizeTarget, BiasesThatARepairAddsAtTheEndCount) {
  const ModelConfig dense = tinystories_12l();
  const Recipe recipe = resolve(from("target: {size: 4500000}\nwidth: {criterion: flap, "
                                     "shape_multiple: 1}\nrepair: {method: bias}"),
                                dense);
  ModelConfig after = config_after(dense, *known_accounting(recipe, dense));
  after.output_bias = after.down_bias = true;
  EXPECT_LE(total_parameters(after), 4500000);
  EXPECT_GT(total_parameters(after), 4500000 - 12 * 576) << "a neuron of every layer";
}

TEST(SizeTarget, ASizeOutOfReachIsToldWithTheModelsOwn) {
  const ModelConfig dense = tinystories_12l();
  const auto resolved = [&](const char* yaml) {
    const Recipe recipe = resolve(from(yaml), dense);
    check_reach(recipe, dense);
  };
  expect_usage_error([&] { resolved("target: {size: 50MB, currency: memory}"); },
                     "at most 50.00 MB, and the dense model has 22.63 MB");
  expect_usage_error([&] { resolved("target: {size: 3M, remove: 0.2}"); }, "dense model: 5.657 M");
  expect_usage_error([&] { resolved("target: {size: 3M, iterations: 2}"); },
                     "dense model: 5.657 M");
  expect_usage_error([&] { resolved("target: {size: 3 ducks}"); }, "is not a size of parameters");
  for (const char* yaml :
       {"target: {size: 1MB, currency: memory}", "target: {size: 900k}",
        "target: {size: 2kB, currency: kv-cache}", "target: {size: 100k}\nselect: 'path:LG'"}) {
    try {
      resolved(yaml);
      FAIL() << yaml;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot leave less than")) << yaml;
      EXPECT_THAT(error.what(), HasSubstr("dense model")) << yaml;
    }
  }
}

TEST(SizeTarget, WholeHalvesMayGoWhereNoLayerIsProtected) {
  const ModelConfig dense = tinystories_12l();
  const auto reached = [&](const char* more) {
    const Recipe recipe = resolve(from(std::string("target: {size: 1000k}\n") + more), dense);
    try {
      check_reach(recipe, dense);
      return true;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot leave less than")) << more;
      return false;
    }
  };
  EXPECT_FALSE(reached("branches: [damage]"));
  EXPECT_TRUE(reached("branches: [damage]\ndamage: {halves: true}"));
  EXPECT_FALSE(reached("branches: [damage]\ndamage: {halves: true}\nprotect: [0, 1, 2, 3, 4, 5]"));
}

TEST(SizeTarget, IsToldWithWhatItComesTo) {
  const ModelConfig dense = tinystories_12l();
  const auto text = [&](const char* yaml) {
    return target_text(resolve(from(yaml), dense), dense);
  };
  EXPECT_EQ(text("target: {size: 11314560, currency: memory}"),
            "memory: at most 11.31 MB is left of 22.63 MB, so 50.00% is removed");
  EXPECT_EQ(text("target: {size: 2ms, currency: latency}"),
            "latency: at most 2 ms a token is left");
  EXPECT_EQ(text("target: {remove: 0.3}"), "until 30.00% of the parameters are removed");
}

}  // namespace
}  // namespace mop
