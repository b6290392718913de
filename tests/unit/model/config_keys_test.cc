#include "model/config_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "kit/refusal.h"
#include "kit/upstream_keys.h"
#include "unit/model/small_config.h"

namespace mop {
namespace {
using mop::testing::llama;
using mop::testing::parse;
using mop::testing::refusal;
using mop::testing::with;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What transformers' config classes make of files that leave keys out: tools/golden/keys_model.py.
TEST(ConfigKeys, AKeyThatIsLeftOutHasTheDefaultOfTransformersClass) {
  const Json golden =
      read_json(std::string(MOP_SOURCE_DIR) + "/tests/golden/keys/left_out.json")["families"];
  int64_t cases = 0;
  for (const auto& [family, keys] : golden.items()) {
    for (const auto& [key, one] : keys.items()) {
      SCOPED_TRACE(family + " without " + (key.empty() ? "anything" : key));
      const Json& theirs = one["values"];
      ++cases;
      if (16 % theirs["num_key_value_heads"].get<int64_t>() != 0) {
        EXPECT_THAT(refusal(one["config"]),
                    HasSubstr("16 heads are not a multiple of 32 KV heads"));
        continue;
      }
      const ModelConfig ours = parse(one["config"]);
      EXPECT_EQ(ours.layers[0].kv_heads, theirs["num_key_value_heads"]);
      EXPECT_EQ(ours.layers[0].head_dim, theirs["head_dim"]);
      EXPECT_EQ(ours.context, theirs["max_position_embeddings"]);
      EXPECT_EQ(ours.norm_eps, theirs["rms_norm_eps"]);
      EXPECT_EQ(ours.tied_embedding, theirs["tie_word_embeddings"]);
      EXPECT_EQ(ours.rope.theta, theirs["rope_theta"]);
      EXPECT_EQ(ours.attention_bias, theirs["attention_bias"]);
      EXPECT_EQ(ours.mlp_bias, theirs["mlp_bias"]);
      for (size_t i = 0; i < 4; ++i) {
        const bool windowed = !ours.windowed.empty() && ours.windowed[i];
        EXPECT_EQ(windowed, theirs["windowed"][i]) << i;
        if (!windowed) continue;
        EXPECT_EQ(*ours.sliding_window, theirs["sliding_window"]);
      }
    }
  }
  EXPECT_GT(cases, 40);
}

TEST(ConfigKeys, ADefaultThatDecidesShapesIsNoted) {
  Json mistral = with(llama(), R"({"model_type": "mistral", "num_attention_heads": 8})");
  EXPECT_THAT(parse(mistral).notes, IsEmpty());
  mistral.erase("num_key_value_heads");
  EXPECT_THAT(parse(mistral).notes,
              ElementsAre("the config has no num_key_value_heads: 8, the default of transformers' "
                          "MistralForCausalLM"));
}

TEST(ConfigKeys, EveryKeyOfTransformersHasAFate) {
  expect_every_key_has_a_fate(config_keys(), "config.json",
                              {"block_configs", "o_proj_bias", "down_proj_bias"});
}

TEST(ConfigKeys, KeysThatAreRefusedAreRefused) {
  const std::map<std::string, Json> asked = {
      {"partial_rotary_factor", 0.5},         {"hidden_act", "gelu"},
      {"quantization_config", {{"bits", 4}}}, {"block_configs", {1, 2}},
      {"pruned_heads", {{"0", {1}}}},         {"is_encoder_decoder", true},
      {"add_cross_attention", true}};
  for (const KeyFate& row : config_keys().keys) {
    if (row.fate != Fate::kRefused) continue;
    const std::string key(row.key);
    ASSERT_TRUE(asked.contains(key)) << key;
    Json config = llama();
    config[key] = asked.at(key);
    EXPECT_THAT(refusal(config), HasSubstr(key));
  }
  EXPECT_THAT(refusal(with(llama(), R"({"pruned_heads": {}, "is_encoder_decoder": false,
      "hidden_act": "swish", "partial_rotary_factor": 1.0})")),
              "accepted");
}

TEST(ConfigKeys, UnknownKeysAndForeignCodeAreNoted) {
  EXPECT_THAT(parse(with(llama(), R"({"logit_scale": 2, "_x": 1, "use_cache": true})")).notes,
              ElementsAre("config.json: logit_scale is unknown and copied unread"));
  EXPECT_THAT(parse(with(llama(), R"({"auto_map": {"AutoModel": "modeling_own.Own"}})")).notes,
              ElementsAre(HasSubstr("custom code (modeling_own.Own), which is not run")));
}

TEST(ConfigKeys, LayerTypesMustAgreeWithTheWindow) {
  EXPECT_THAT(refusal(with(llama(), R"({"layer_types":
      ["full_attention", "sliding_attention", "full_attention"]})")),
              HasSubstr("'layer_types' is \"sliding_attention\" for layer 1"));
  EXPECT_THAT(refusal(with(llama(), R"({"model_type": "mistral", "sliding_window": 4, "layer_types":
      ["full_attention", "full_attention", "full_attention"]})")),
              HasSubstr("the other settings of a mistral give a sliding window"));
}

TEST(DtypeOfWeights, IsNamedByEitherKey) {
  const auto dtype = [](const char* json) { return dtype_of_weights(Json::parse(json), "c.json"); };
  EXPECT_EQ(dtype(R"({"torch_dtype": "float16"})"), at::kHalf);
  EXPECT_EQ(dtype(R"({"dtype": "bfloat16", "torch_dtype": "float16"})"), at::kBFloat16);
  EXPECT_EQ(dtype(R"({"dtype": null, "torch_dtype": "float32"})"), at::kFloat);
  EXPECT_EQ(dtype(R"({"torch_dtype": null})"), std::nullopt);
  EXPECT_EQ(dtype("{}"), std::nullopt);
  for (const char* json : {R"({"torch_dtype": 16})", R"({"dtype": "float5"})"}) {
    EXPECT_THAT(testing::refusal_of([&] { dtype(json); }), HasSubstr("c.json")) << json;
  }
}

}  // namespace
}  // namespace mop
