#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "kit/upstream_keys.h"
#include "model/config_keys.h"
#include "model/family.h"

namespace mop {
namespace {
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json llama() {
  return Json::parse(R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96})");
}
Json with(Json config, const char* changes) {
  config.update(Json::parse(changes));
  return config;
}
ModelConfig parse(const Json& config) { return parse_config(config, "m/config.json"); }
std::string refusal(const Json& config) {
  try {
    parse(config);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), HasSubstr("m/config.json"));
    return e.what();
  }
  return "accepted";
}

TEST(Config, HasTransformersDefaults) {
  const ModelConfig config = parse(llama());
  EXPECT_EQ(config.context, 2048);
  EXPECT_EQ(config.norm_eps, 1e-6);
  EXPECT_EQ(config.rope.theta, 10000.0);
  EXPECT_EQ(config.rope.type, "default");
  EXPECT_FALSE(config.tied_embedding);
  EXPECT_FALSE(config.sliding_window.has_value());
  EXPECT_FALSE(config.bos.has_value());
  EXPECT_TRUE(config.eos.empty());
  EXPECT_THAT(config.layers, ::testing::Each(LayerShape{4, 2, 8, 48}));
  EXPECT_EQ(config.layers.size(), 3u);
}

TEST(Config, NullMeansNotGiven) {
  const ModelConfig config = parse(with(llama(), R"({"num_key_value_heads": null, "head_dim": null,
    "rope_scaling": null, "eos_token_id": null, "quantization_config": null})"));
  EXPECT_EQ(config.layers[0].kv_heads, 4);
  EXPECT_EQ(config.layers[0].head_dim, 8);
}

TEST(Config, HeadDimNeedNotDivideTheHiddenSize) {
  EXPECT_EQ(parse(with(llama(), R"({"head_dim": 10, "num_attention_heads": 6})")).layers[0],
            (LayerShape{6, 2, 10, 48}));
}

TEST(Config, EosIsANumberOrAList) {
  EXPECT_THAT(parse(with(llama(), R"({"eos_token_id": 2})")).eos, ElementsAre(2));
  EXPECT_THAT(parse(with(llama(), R"({"eos_token_id": [5, 7]})")).eos, ElementsAre(5, 7));
  EXPECT_THAT(refusal(with(llama(), R"({"eos_token_id": "</s>"})")), HasSubstr("'eos_token_id'"));
}

TEST(Config, BothSpellingsOfRopeAreTheSame) {
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

TEST(Config, RefusesTwoDifferentThetas) {
  EXPECT_THAT(
      refusal(
          with(llama(), R"({"rope_theta": 10000.0, "rope_parameters": {"rope_theta": 500000.0}})")),
      AllOf(HasSubstr("two different values of rope_theta"), HasSubstr("500000")));
}

TEST(Config, RefusesRopeItDoesNotKnow) {
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
TEST(Config, RopeScalingComesBeforeRopeParametersAndANoteSaysSo) {
  const char* both = R"({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0},
      "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}})";
  const ModelConfig config = parse(with(llama(), both));
  EXPECT_EQ(config.rope.type, "linear");
  EXPECT_EQ(config.rope.factor, 2.0);
  EXPECT_EQ(config.rope.theta, 500.0);
  EXPECT_THAT(config.notes, ElementsAre(HasSubstr("rope_scaling (linear) is followed")));
  const char* same = R"({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0},
      "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}})";
  EXPECT_THAT(parse(with(llama(), same)).notes, IsEmpty());
  const char* empty = R"({"rope_scaling": {},
      "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}})";
  EXPECT_EQ(parse(with(llama(), empty)).rope.factor, 2.0);
}

TEST(Config, AThetaThatReadersWouldPassOverIsRefusedOrNoted) {
  EXPECT_THAT(refusal(with(llama(), R"({"rope_scaling": {"type": "linear", "factor": 2.0},
      "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}})")),
              AllOf(HasSubstr("rope_theta 500 stands in rope_parameters alone"),
                    HasSubstr("they would take 10000")));
  EXPECT_THAT(parse(with(llama(), R"({"rope_scaling": {"type": "linear", "factor": 2.0,
      "rope_theta": 500.0}})"))
                  .notes,
              ElementsAre(HasSubstr("transformers 4 takes 10000")));
}

TEST(Config, ScaledRopeHasTransformersDefaults) {
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

TEST(Config, RefusesScalingThatCannotBe) {
  const auto scaling = [](const char* section) {
    Json config = llama();
    config["rope_scaling"] = Json::parse(section);
    return refusal(config);
  };
  EXPECT_THAT(scaling(R"({"type": "yarn"})"), HasSubstr("'factor'"));
  EXPECT_THAT(scaling(R"({"type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 2})"),
              HasSubstr("beta_slow <= beta_fast"));
  EXPECT_THAT(scaling(R"({"type": "dynamic", "factor": -1})"), HasSubstr("must be positive"));
  EXPECT_THAT(scaling(R"({"type": "longrope", "factor": 2, "long_factor": [1, 1, 1, 1]})"),
              HasSubstr("'short_factor' must be a list of 4 positive numbers"));
  EXPECT_THAT(scaling(R"({"type": "longrope", "short_factor": [1, 1, 1, 1],
      "long_factor": [1, 1, 1]})"),
              HasSubstr("'long_factor' must be a list of 4"));
}

TEST(Config, TwoOriginalContextsAreNoted) {
  const char* two = R"({"original_max_position_embeddings": 32, "rope_scaling": {"type": "yarn",
      "factor": 2.0, "original_max_position_embeddings": 64}})";
  const ModelConfig config = parse(with(llama(), two));
  EXPECT_EQ(config.rope.original_context, 32) << "as transformers 5";
  EXPECT_THAT(config.notes, ElementsAre(HasSubstr("two values of original_max")));
}

TEST(Config, PositionsReachAsFarAsScalingMakesThem) {
  EXPECT_EQ(parse(llama()).longest(), 2048);
  EXPECT_EQ(
      parse(with(llama(), R"({"rope_scaling": {"type": "dynamic", "factor": 2.5}})")).longest(),
      5120);
  EXPECT_EQ(parse(with(llama(), R"({"rope_scaling": {"type": "yarn", "factor": 4.0,
      "original_max_position_embeddings": 2048}})"))
                .longest(),
            8192);
}

// What transformers' config classes make of files that leave keys out: tools/golden/keys_model.py.
TEST(Config, AKeyThatIsLeftOutHasTheDefaultOfTransformersClass) {
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

TEST(Config, ADefaultThatDecidesShapesIsNoted) {
  Json mistral = with(llama(), R"({"model_type": "mistral", "num_attention_heads": 8})");
  EXPECT_THAT(parse(mistral).notes, IsEmpty());
  mistral.erase("num_key_value_heads");
  EXPECT_THAT(parse(mistral).notes,
              ElementsAre("the config has no num_key_value_heads: 8, the default of transformers' "
                          "MistralForCausalLM"));
}

TEST(Config, EveryKeyOfTransformersHasAFate) {
  expect_every_key_has_a_fate(config_keys(), "config.json",
                              {"block_configs", "o_proj_bias", "down_proj_bias"});
}

TEST(Config, KeysThatAreRefusedAreRefused) {
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

TEST(Config, UnknownKeysAndForeignCodeAreNoted) {
  EXPECT_THAT(parse(with(llama(), R"({"logit_scale": 2, "_x": 1, "use_cache": true})")).notes,
              ElementsAre("config.json: logit_scale is not known, and copied without being read"));
  EXPECT_THAT(parse(with(llama(), R"({"auto_map": {"AutoModel": "modeling_own.Own"}})")).notes,
              ElementsAre(HasSubstr("code of the folder (modeling_own.Own), which is not run")));
}

TEST(Config, LayerTypesMustAgreeWithTheWindow) {
  EXPECT_THAT(refusal(with(llama(), R"({"layer_types":
      ["full_attention", "sliding_attention", "full_attention"]})")),
              HasSubstr("'layer_types' says \"sliding_attention\" of layer 1"));
  EXPECT_THAT(refusal(with(llama(), R"({"model_type": "mistral", "sliding_window": 4, "layer_types":
      ["full_attention", "full_attention", "full_attention"]})")),
              HasSubstr("with these settings has a sliding window"));
}

TEST(Config, RefusesHeadsThatAreNotAMultipleOfKvHeads) {
  EXPECT_THAT(refusal(with(llama(), R"({"num_attention_heads": 4, "num_key_value_heads": 3})")),
              HasSubstr("4 heads are not a multiple of 3 KV heads"));
}

TEST(Config, RefusesAHiddenSizeThatHeadsDoNotDivide) {
  EXPECT_THAT(refusal(with(llama(), R"({"num_attention_heads": 6})")),
              HasSubstr("head_dim is not given"));
}

TEST(Config, RefusesAnotherActivation) {
  EXPECT_THAT(refusal(with(llama(), R"({"hidden_act": "gelu"})")),
              HasSubstr("hidden_act is 'gelu'"));
}

TEST(Config, RefusesQuantisedWeights) {
  EXPECT_THAT(refusal(with(llama(), R"({"quantization_config": {"bits": 4}})")),
              HasSubstr("quantised"));
}

TEST(Config, NamesTheMissingKey) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "vocab_size"}) {
    Json config = llama();
    config.erase(key);
    EXPECT_THAT(refusal(config), HasSubstr("'" + std::string(key) + "'"));
  }
}

TEST(Config, RefusesSizesThatCannotBe) {
  EXPECT_THAT(refusal(with(llama(), R"({"hidden_size": 0})")), HasSubstr("'hidden_size'"));
  EXPECT_THAT(refusal(with(llama(), R"({"vocab_size": -3})")), HasSubstr("'vocab_size'"));
  EXPECT_THAT(refusal(with(llama(), R"({"intermediate_size": 9223372036854775807})")),
              HasSubstr("'intermediate_size'"));
  EXPECT_THAT(refusal(with(llama(), R"({"num_hidden_layers": 2000000})")),
              HasSubstr("num_hidden_layers"));
  EXPECT_THAT(refusal(with(llama(), R"({"hidden_size": "32"})")), HasSubstr("a whole number"));
  EXPECT_THAT(refusal(Json::array()), HasSubstr("not a JSON object"));
}

TEST(Config, AnUnknownFamilyListsTheKnownOnes) {
  EXPECT_THAT(refusal(with(llama(), R"({"model_type": "gpt2"})")),
              AllOf(HasSubstr("'gpt2'"), HasSubstr("llama, mistral, qwen2, qwen3")));
}

TEST(Config, AFileWithoutModelTypeIsKnownByItsClass) {
  Json config = with(llama(), R"({"architectures": ["MistralForCausalLM"]})");
  config.erase("model_type");
  EXPECT_EQ(parse(config).family->name, "mistral");
}

TEST(Config, MistralsWindowCoversEveryLayer) {
  const Json mistral = with(llama(), R"({"model_type": "mistral"})");
  EXPECT_EQ(parse(mistral).sliding_window, 4096);
  EXPECT_FALSE(parse(with(mistral, R"({"sliding_window": null})")).sliding_window.has_value());
  const ModelConfig config = parse(with(mistral, R"({"sliding_window": 7})"));
  EXPECT_EQ(config.sliding_window, 7);
  EXPECT_THAT(config.windowed, ElementsAre(true, true, true));
}

TEST(Config, QwensWindowCoversWhatTheFileSays) {
  const Json qwen =
      with(llama(), R"({"model_type": "qwen2", "sliding_window": 7, "max_window_layers": 2})");
  EXPECT_FALSE(parse(qwen).sliding_window.has_value());
  const Json used = with(qwen, R"({"use_sliding_window": true})");
  EXPECT_THAT(parse(used).windowed, ElementsAre(false, false, true));
  EXPECT_THAT(
      parse(with(used,
                 R"({"layer_types": ["sliding_attention", "full_attention", "full_attention"]})"))
          .windowed,
      ElementsAre(true, false, false));
  EXPECT_THAT(refusal(with(used, R"({"layer_types": ["full_attention"]})")),
              HasSubstr("1 entries for 3 layers"));
  EXPECT_THAT(refusal(with(used, R"({"layer_types": ["a", "b", "c"]})")),
              HasSubstr("full_attention, sliding_attention"));
}

TEST(Config, Qwen2HasBiasesAndQwen3ItsOwnHeadDim) {
  EXPECT_TRUE(parse(with(llama(), R"({"model_type": "qwen2"})")).attention_bias);
  EXPECT_EQ(parse(with(llama(), R"({"model_type": "qwen3"})")).layers[2].head_dim, 128);
  EXPECT_EQ(parse(with(llama(), R"({"model_type": "qwen3", "head_dim": 16})")).layers[2].head_dim,
            16);
}

TEST(Config, LayersMayDiffer) {
  for (const char* type : {"llama", "per_layer_llama"}) {
    const Json config = with(llama(), R"({"o_proj_bias": true, "per_layer_config": {
        "00": {"skip": ["attention"], "intermediate_size": 7},
        "2": {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 8, "skip": ["mlp"]}}})");
    const ModelConfig read =
        parse(with(config, fmt::format(R"({{"model_type": "{}"}})", type).c_str()));
    EXPECT_EQ(read.family->name, "llama");
    EXPECT_THAT(read.layers, ElementsAre(LayerShape{0, 0, 8, 7}, LayerShape{4, 2, 8, 48},
                                         LayerShape{3, 3, 8, 0}));
    EXPECT_TRUE(read.output_bias);
    EXPECT_FALSE(read.down_bias);
  }
}

TEST(Config, RefusesWhatItCannotReadOfALayer) {
  const auto layer = [](const char* key, const char* text) {
    return refusal(
        with(llama(), fmt::format(R"({{"per_layer_config": {{"{}": {}}}}})", key, text).c_str()));
  };
  EXPECT_THAT(layer("1", R"({"rope_theta": 5.0})"),
              HasSubstr("unsupported: 'rope_theta' differs by layer"));
  EXPECT_THAT(layer("1", R"({"head_dim": 16})"), HasSubstr("'head_dim' differs by layer"));
  EXPECT_THAT(layer("1", R"({"skip": ["norm"]})"),
              HasSubstr("unsupported entry of 'skip': \"norm\""));
  EXPECT_THAT(layer("1", R"({"num_attention_heads": 3})"),
              HasSubstr("3 heads are not a multiple of 2 KV heads"));
  EXPECT_THAT(layer("1", R"({"intermediate_size": 0})"),
              AllOf(HasSubstr("between 1 and"), HasSubstr("per_layer_config.1")));
  EXPECT_THAT(layer("1", "5"), HasSubstr("must be an object"));
  EXPECT_THAT(layer("3", "{}"), HasSubstr("'per_layer_config' names layer '3' of 3 layers"));
  EXPECT_THAT(layer("one", "{}"), HasSubstr("names layer 'one'"));
}

TEST(Config, KeepsTheFileAsItWas) {
  const Json config = with(llama(), R"({"some_unknown_key": {"a": [1, 2]}})");
  EXPECT_EQ(parse(config).raw, config);
}

}  // namespace
}  // namespace mop
