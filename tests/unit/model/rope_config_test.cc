#include "model/rope_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unit/model/small_config.h"

namespace mop {
namespace {
using mop::testing::llama;
using mop::testing::parse;
using mop::testing::refusal;
using mop::testing::with;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RopeConfig, BothSpellingsOfRopeAreTheSame) {
  const char* v4 = R"({"rope_theta": 500000.0, "rope_scaling": {"type": "llama3", "factor": 8.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}})";
  const char* v5 =
      R"({"rope_parameters": {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}})";
  for (const char* spelling : {v4, v5}) {
    const RopeConfig rope = parse(with(llama(), spelling)).rope;
    EXPECT_EQ(rope.theta, 500000.0);
    EXPECT_EQ(rope.type, "llama3");
    EXPECT_EQ(rope.factor, 8.0);
    EXPECT_EQ(rope.low_freq_factor, 1.0);
    EXPECT_EQ(rope.high_freq_factor, 4.0);
    EXPECT_EQ(rope.original_context, 64);
  }
  EXPECT_EQ(
      parse(with(llama(), R"({"rope_scaling": {"rope_type": "linear", "factor": 2}})")).rope.factor,
      2.0);
}

TEST(RopeConfig, RefusesTwoDifferentThetas) {
  EXPECT_THAT(
      refusal(
          with(llama(), R"({"rope_theta": 10000.0, "rope_parameters": {"rope_theta": 500000.0}})")),
      AllOf(HasSubstr("two different values of rope_theta"), HasSubstr("500000")));
}

TEST(RopeConfig, RefusesRopeItDoesNotKnow) {
  for (const char* type : {"proportional", "mrope", "su", "ntk"}) {
    Json config = llama();
    config["rope_scaling"] = {{"type", type}, {"factor", 2.0}};
    EXPECT_THAT(refusal(config),
                AllOf(HasSubstr("unsupported rope type '" + std::string(type) + "'"),
                      HasSubstr("supported: default, linear, dynamic, yarn, longrope, llama3")));
  }
  EXPECT_THAT(refusal(with(llama(), R"({"partial_rotary_factor": 0.5})")),
              HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(refusal(with(llama(), R"({"rope_parameters": {"full_attention": {}}})")),
              HasSubstr("layer type"));
  EXPECT_THAT(refusal(with(llama(), R"({"rope_scaling": {"type": "linear"}})")),
              HasSubstr("'factor'"));
}

// As transformers 4 and 5 both do.
TEST(RopeConfig, RopeScalingComesBeforeRopeParametersAndANoteSaysSo) {
  const char* both = R"({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0},
      "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}})";
  const ModelConfig config = parse(with(llama(), both));
  EXPECT_EQ(config.rope.type, "linear");
  EXPECT_EQ(config.rope.factor, 2.0);
  EXPECT_EQ(config.rope.theta, 500.0);
  EXPECT_THAT(config.notes, ElementsAre(HasSubstr("rope_scaling (linear) is used")));
  const char* same = R"({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0},
      "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}})";
  EXPECT_THAT(parse(with(llama(), same)).notes, IsEmpty());
  const char* empty = R"({"rope_scaling": {},
      "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}})";
  EXPECT_EQ(parse(with(llama(), empty)).rope.factor, 2.0);
}

TEST(RopeConfig, AThetaThatReadersWouldPassOverIsRefusedOrNoted) {
  EXPECT_THAT(refusal(with(llama(), R"({"rope_scaling": {"type": "linear", "factor": 2.0},
      "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}})")),
              AllOf(HasSubstr("rope_theta 500 is only in rope_parameters"),
                    HasSubstr("they would use 10000")));
  EXPECT_THAT(parse(with(llama(), R"({"rope_scaling": {"type": "linear", "factor": 2.0,
      "rope_theta": 500.0}})"))
                  .notes,
              ElementsAre(HasSubstr("transformers 4 uses 10000")));
}

TEST(RopeConfig, ScaledRopeHasTransformersDefaults) {
  const RopeConfig yarn = parse(with(llama(), R"({"max_position_embeddings": 256,
      "rope_scaling": {"rope_type": "yarn", "factor": 4.0}})"))
                              .rope;
  EXPECT_EQ(yarn.original_context, 256);
  EXPECT_EQ(yarn.beta_fast, 32);
  EXPECT_EQ(yarn.beta_slow, 1);
  EXPECT_TRUE(yarn.truncate);
  EXPECT_NEAR(yarn.attention_factor, 0.1 * std::log(4.0) + 1, 1e-12);
  const RopeConfig longrope = parse(with(llama(), R"({"max_position_embeddings": 256,
      "original_max_position_embeddings": 64, "rope_scaling": {"type": "longrope",
      "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 3, 4]}})"))
                                  .rope;
  EXPECT_EQ(longrope.factor, 4);
  EXPECT_EQ(longrope.original_context, 64);
  EXPECT_NEAR(longrope.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(64.0)), 1e-12);
}

TEST(RopeConfig, RefusesScalingThatCannotBe) {
  const auto scaling = [](const char* section) {
    Json config = llama();
    config["rope_scaling"] = Json::parse(section);
    return refusal(config);
  };
  EXPECT_THAT(scaling(R"({"type": "yarn"})"), HasSubstr("'factor'"));
  EXPECT_THAT(scaling(R"({"type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 2})"),
              HasSubstr("beta_slow <= beta_fast"));
  EXPECT_THAT(scaling(R"({"type": "yarn", "factor": 4, "attention_factor": -0.5})"),
              HasSubstr("attention_factor must be a positive number"));
  EXPECT_THAT(scaling(R"({"type": "longrope", "factor": 4, "original_max_position_embeddings": 1,
      "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1, 1]})"),
              HasSubstr("attention_factor must be a positive number"));
  EXPECT_THAT(scaling(R"({"type": "dynamic", "factor": -1})"), HasSubstr("must be positive"));
  EXPECT_THAT(scaling(R"({"type": "longrope", "factor": 2, "long_factor": [1, 1, 1, 1]})"),
              HasSubstr("'short_factor' must be a list of 4 positive numbers"));
  EXPECT_THAT(scaling(R"({"type": "longrope", "short_factor": [1, 1, 1, 1],
      "long_factor": [1, 1, 1]})"),
              HasSubstr("'long_factor' must be a list of 4"));
}

TEST(RopeConfig, TwoOriginalContextsAreNoted) {
  const char* two = R"({"original_max_position_embeddings": 32, "rope_scaling": {"type": "yarn",
      "factor": 2.0, "original_max_position_embeddings": 64}})";
  const ModelConfig config = parse(with(llama(), two));
  EXPECT_EQ(config.rope.original_context, 32) << "as transformers 5";
  EXPECT_THAT(config.notes, ElementsAre(HasSubstr("two values of original_max")));
}

TEST(RopeConfig, PositionsReachAsFarAsScalingMakesThem) {
  EXPECT_EQ(parse(llama()).longest(), 2048);
  EXPECT_EQ(
      parse(with(llama(), R"({"rope_scaling": {"type": "dynamic", "factor": 2.5}})")).longest(),
      5120);
  EXPECT_EQ(parse(with(llama(), R"({"rope_scaling": {"type": "yarn", "factor": 4.0,
      "original_max_position_embeddings": 2048}})"))
                .longest(),
            8192);
}

}  // namespace
}  // namespace mop
