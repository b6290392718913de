// Metadata of GGUF files: no key without a fate, and what rotary scaling becomes.
#include "checkpoint/gguf_keys.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "checkpoint/gguf_checkpoint.h"
#include "kit/random_model.h"
#include "kit/upstream_keys.h"

namespace mop {
namespace {
using mop::testing::TempFolder;

TEST(GgufKeys, EveryKeyHasAFate) {
  // Not in the package's list: what llama.cpp reads or writes beside it, and what we write.
  expect_every_key_has_a_fate(
      gguf_keys(), "gguf.json",
      {"{arch}.rope.scale_linear", "tokenizer.ggml.cls_token_id", "mop.rope.factor",
       "quantize.imatrix.file", "{arch}.dense_3_feat_in"});
}

class GgufMetadataOf : public ::testing::Test {
 protected:
  GgufFile file(const GgufMetadata& more, bool long_and_short = false) const {
    GgufMetadata all = {{"general.architecture", GgufValue::text("llama")}};
    for (const auto& [key, value] : {std::pair{"block_count", 1},
                                     {"context_length", 64},
                                     {"embedding_length", 8},
                                     {"feed_forward_length", 4},
                                     {"attention.head_count", 2}}) {
      all.emplace_back(std::string("llama.") + key, GgufValue::u32(value));
    }
    all.emplace_back("llama.attention.layer_norm_rms_epsilon", GgufValue::f32(1e-5));
    all.insert(all.end(), more.begin(), more.end());
    std::vector<GgufTensorSpec> specs = {{"token_embd.weight", GgmlType::kF32, {4, 8}}};
    if (long_and_short) {
      specs.push_back({"rope_factors_long.weight", GgmlType::kF32, {2}});
      specs.push_back({"rope_factors_short.weight", GgmlType::kF32, {2}});
    }
    GgufWriter writer(folder_.path() / "m.gguf", all, specs);
    writer.write(at::ones({4, 8}));
    if (long_and_short) {
      writer.write(at::tensor({1.5f, 40.1f}));
      writer.write(at::tensor({1.0f, 1.1f}));
    }
    writer.finish();
    return GgufFile::open(folder_.path() / "m.gguf");
  }
  Json rope_of(const GgufMetadata& more, bool long_and_short = false) const {
    return gguf_config(file(more, long_and_short))["rope_scaling"];
  }

 private:
  TempFolder folder_;
};

const std::pair<std::string, GgufValue> kYarn = {"llama.rope.scaling.type",
                                                 GgufValue::text("yarn")};
const std::pair<std::string, GgufValue> kFactor = {"llama.rope.scaling.factor", GgufValue::f32(4)};
const std::pair<std::string, GgufValue> kOriginal = {"llama.rope.scaling.original_context_length",
                                                     GgufValue::u32(16)};

TEST_F(GgufMetadataOf, UnknownKeysAreNamed) {
  EXPECT_THAT(unknown_gguf_keys(file({{"llama.new_thing", GgufValue::u32(3)},
                                      {"other.block_count", GgufValue::u32(3)},
                                      {"general.anything", GgufValue::u32(3)}})),
              ::testing::ElementsAre("llama.new_thing", "other.block_count"));
}

TEST_F(GgufMetadataOf, UnknownKeysAreToldInOneLine) {
  EXPECT_EQ(unknown_gguf_keys_note(
                file({{"llama.b", GgufValue::u32(1)}, {"llama.a", GgufValue::u32(1)}})),
            "GGUF metadata is not known and not followed: llama.a, llama.b");
  EXPECT_EQ(unknown_gguf_keys_note(file({})), "");
}

TEST_F(GgufMetadataOf, YarnIsThatOfTransformers) {
  EXPECT_EQ(
      rope_of({kYarn, kFactor, kOriginal}),
      (Json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}}));
  EXPECT_EQ(rope_of({kYarn, kFactor})["original_max_position_embeddings"], 64);
  const Json scaling = rope_of({kYarn,
                                kFactor,
                                kOriginal,
                                {"llama.rope.scaling.attn_factor", GgufValue::f32(0.5)},
                                {"llama.rope.scaling.yarn_attn_factor", GgufValue::f32(3)},
                                {"llama.rope.scaling.yarn_beta_fast", GgufValue::f32(20)},
                                {"llama.rope.scaling.yarn_beta_slow", GgufValue::f32(2)},
                                {"llama.rope.scaling.yarn_ext_factor", GgufValue::f32(1)}});
  EXPECT_EQ(scaling["beta_fast"], 20.0);
  EXPECT_EQ(scaling["beta_slow"], 2.0);
  EXPECT_NEAR(scaling["attention_factor"].get<double>(), 1.5 * 1.1386294, 1e-6);
}

TEST_F(GgufMetadataOf, LongropeHasItsListsFromTheTensors) {
  const Json expected = {{"rope_type", "longrope"},
                         {"short_factor", {1.0, 1.1}},
                         {"long_factor", {1.5, 40.1}},
                         {"original_max_position_embeddings", 16},
                         {"attention_factor", 1.25}};
  const std::pair<std::string, GgufValue> attention = {"llama.rope.scaling.attn_factor",
                                                       GgufValue::f32(1.25)};
  EXPECT_EQ(rope_of({kOriginal, attention}, true), expected) << "as Phi-3's converter writes it";
  EXPECT_EQ(
      rope_of({{"llama.rope.scaling.type", GgufValue::text("longrope")}, kOriginal, attention},
              true),
      expected);
  EXPECT_THROW(rope_of({kYarn, kFactor}, true), Error);
  EXPECT_THROW(rope_of({kFactor, {"llama.rope.scaling.type", GgufValue::text("longrope")}}, true),
               Error);
}

TEST_F(GgufMetadataOf, WhatYarnCannotExpressIsRefused) {
  for (const char* key : {"yarn_ext_factor", "yarn_log_multiplier"}) {
    try {
      rope_of({kYarn, kFactor, {std::string("llama.rope.scaling.") + key, GgufValue::f32(0.5)}});
      FAIL() << key;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr(std::string(key) + "' is 0.5"));
    }
  }
}

TEST_F(GgufMetadataOf, SeveralTokensEndAText) {
  const auto id = [](const char* name, int64_t value) {
    return std::pair{fmt::format("tokenizer.ggml.{}_token_id", name), GgufValue::u32(value)};
  };
  EXPECT_EQ(gguf_config(file({id("eos", 2), id("eot", 2)}))["eos_token_id"], 2);
  const Json config =
      gguf_config(file({id("eos", 2), id("eot", 3), id("eom", 1), id("padding", 0)}));
  EXPECT_EQ(config["eos_token_id"], (Json{2, 3, 1}));
  EXPECT_EQ(config["pad_token_id"], 0);
}

TEST_F(GgufMetadataOf, TheUsualAttentionScaleIsRead) {
  EXPECT_NO_THROW(gguf_config(file({{"llama.attention.scale", GgufValue::f32(0.5)}})));
}

}  // namespace
}  // namespace mop
