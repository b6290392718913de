#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/family.h"
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
              HasSubstr("unsupported: 'rope_theta' differs between layers"));
  EXPECT_THAT(layer("1", R"({"head_dim": 16})"), HasSubstr("'head_dim' differs between layers"));
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
