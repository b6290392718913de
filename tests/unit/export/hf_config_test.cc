#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "export/hf_per_layer.h"
#include "export/hf_writer.h"
#include "kit/random_model.h"
#include "unit/export/pruned.h"

namespace mop {
namespace {
using mop::testing::prune_by_hand;
using mop::testing::RandomModel;
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

class HfConfig : public ::testing::Test {
 protected:
  Model make(const RandomModel& what) {
    write_random_model(folder_.path(), what);
    return Model::open(folder_.path());
  }

 private:
  TempFolder folder_;
};

TEST_F(HfConfig, FollowsTheUnitsThatAreLeft) {
  const Json config = hf_config(prune_by_hand(make({})));
  EXPECT_EQ(config["num_hidden_layers"], 3);
  EXPECT_EQ(config["num_attention_heads"], 2);
  EXPECT_EQ(config["num_key_value_heads"], 1);
  EXPECT_EQ(config["head_dim"], 8);
  EXPECT_EQ(config["intermediate_size"], 32);
  EXPECT_EQ(config["hidden_size"], 32);
  EXPECT_EQ(config["model_type"], "llama");
}

TEST_F(HfConfig, CopiesWhatItDoesNotKnowInItsPlace) {
  const Json config = hf_config(
      make({.extra = R"({"strange":{"a":[1,2]},"eos_token_id":[2,5],"pad_token_id":null})"}));
  EXPECT_EQ(config["strange"]["a"][1], 2);
  EXPECT_EQ(config["eos_token_id"], Json::parse("[2,5]"));
  EXPECT_TRUE(config["pad_token_id"].is_null());
  EXPECT_EQ(config.begin().key(), "architectures") << "keys keep their order";
}

TEST_F(HfConfig, WritesTheDtypeInBothSpellings) {
  for (const char* spelling :
       {R"({"torch_dtype":"bfloat16"})", R"({"torch_dtype":null,"dtype":"bfloat16"})",
        R"({"torch_dtype":null})"}) {
    const Json config = hf_config(make({.dtype = "bfloat16", .extra = spelling}));
    EXPECT_EQ(config["torch_dtype"], "bfloat16") << spelling;
    EXPECT_EQ(config["dtype"], "bfloat16") << spelling;
  }
}

TEST_F(HfConfig, WritesPlainRopeInBothSpellings) {
  const Json old = hf_config(make({.extra = R"({"rope_theta":500000.0})"}));
  const Json renewed = hf_config(make(
      {.extra =
           R"({"rope_theta":null,"rope_parameters":{"rope_theta":500000.0,"rope_type":"default"}})"}));
  for (const Json& config : {old, renewed}) {
    EXPECT_EQ(config["rope_theta"], 500000.0);
    EXPECT_TRUE(config["rope_scaling"].is_null());
    EXPECT_EQ(config["rope_parameters"]["rope_theta"], 500000.0);
    EXPECT_EQ(config["rope_parameters"]["rope_type"], "default");
  }
}

TEST_F(HfConfig, WritesScaledRopeInBothSpellings) {
  const std::string section =
      R"("factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":16,"x":1)";
  const Json old =
      hf_config(make({.extra = R"({"rope_scaling":{"rope_type":"llama3",)" + section + "}}"}));
  const Json renewed =
      hf_config(make({.extra = R"({"rope_parameters":{"rope_theta":10000.0,"rope_type":"llama3",)" +
                               section + "}}"}));
  for (const Json& config : {old, renewed}) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      EXPECT_EQ(config[key]["rope_type"], "llama3");
      EXPECT_EQ(config[key]["factor"], 8.0);
      EXPECT_EQ(config[key]["original_max_position_embeddings"], 16);
      EXPECT_EQ(config[key]["x"], 1) << "unknown keys stay";
    }
    EXPECT_EQ(config["rope_theta"], 10000.0);
    EXPECT_EQ(config["rope_parameters"]["rope_theta"], 10000.0);
  }
  const Json linear =
      hf_config(make({.extra = R"({"rope_scaling":{"type":"linear","factor":2.0}})"}));
  EXPECT_EQ(linear["rope_scaling"]["rope_type"], "linear");
  EXPECT_EQ(linear["rope_parameters"]["factor"], 2.0);
}

// transformers 4 looks for longrope's original context beside the section and infers the attention
// factor from it, 5 looks within.
TEST_F(HfConfig, WritesLongropeSoThatBothReadersFindItsNumbers) {
  const std::string factors = R"("short_factor":[1,1.5,2,2.5],"long_factor":[1,3,5,7])";
  const Json inside = hf_config(make(
      {.extra = R"({"rope_parameters":{"rope_type":"longrope","rope_theta":10000.0,"factor":3.0,
        "original_max_position_embeddings":16,)" +
                factors + "}}"}));
  const Json beside = hf_config(make(
      {.extra = R"({"original_max_position_embeddings":16,"rope_scaling":{"type":"longrope",)" +
                factors + "}}"}));
  for (const Json& config : {inside, beside}) {
    EXPECT_EQ(config["original_max_position_embeddings"], 16);
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      EXPECT_EQ(config[key]["rope_type"], "longrope");
      EXPECT_EQ(config[key]["original_max_position_embeddings"], 16);
      EXPECT_EQ(config[key]["long_factor"], Json::parse("[1,3,5,7]"));
    }
  }
  const double four = std::sqrt(1 + std::log(4.0) / std::log(16.0));  // 64 / 16
  EXPECT_NEAR(beside["rope_scaling"]["attention_factor"], four, 1e-12);
  EXPECT_EQ(beside["rope_scaling"]["factor"], 4.0);
  EXPECT_NEAR(inside["rope_scaling"]["attention_factor"],
              std::sqrt(1 + std::log(3.0) / std::log(16.0)), 1e-12);
}

TEST_F(HfConfig, WritesTheSectionThatWasFollowed) {
  const Json config = hf_config(make(
      {.extra = R"({"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":16},
        "rope_parameters":{"rope_type":"default","rope_theta":10000.0}})"}));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    EXPECT_EQ(config[key]["rope_type"], "yarn");
    EXPECT_EQ(config[key]["factor"], 4.0);
    EXPECT_EQ(config[key]["original_max_position_embeddings"], 16);
  }
}

TEST_F(HfConfig, SaysWhatTheFileLeftOut) {
  const Json config = hf_config(make({.family = "mistral", .extra = R"({"rms_norm_eps":1e-6})"}));
  EXPECT_EQ(config["sliding_window"], 4096) << "the default of transformers' class";
  EXPECT_EQ(config["tie_word_embeddings"], false);
}

TEST_F(HfConfig, ListsThatAreNoLayersAreNotCut) {
  const Json config = hf_config(
      prune_by_hand(make({.extra = R"({"suppress_tokens":[3,4,5,6],"other":[3,4,5,6]})"}), 1));
  EXPECT_EQ(config["suppress_tokens"], Json::parse("[3,4,5,6]"));
  EXPECT_EQ(config["other"].size(), 3u);
}

TEST_F(HfConfig, CutsListsThatHaveAnEntryALayer) {
  const Model model =
      make({.family = "qwen2",
            .extra = R"({"use_sliding_window":true,"sliding_window":8,"max_window_layers":2,
      "layer_types":["full_attention","full_attention","sliding_attention","sliding_attention"],
      "other_list":[10,11,12,13],"short_list":[1,2]})"});
  const Json config = hf_config(prune_by_hand(model, 1));
  EXPECT_EQ(config["other_list"], Json::parse("[10,12,13]"));
  EXPECT_EQ(config["short_list"], Json::parse("[1,2]"));
  EXPECT_EQ(config["max_window_layers"], 1);
  EXPECT_EQ(config["layer_types"],
            Json::parse(R"(["full_attention","sliding_attention","sliding_attention"])"));
}

// Layers 1 without attention, 2 without MLP, 3 narrower in both; 0 is whole.
Model with_different_layers(const Model& model) {
  std::vector<Layer> layers = model.layers();
  layers[1].heads = layers[1].kv_heads = {};
  layers[2].neurons = {};
  layers[3].heads = {0, 1};
  layers[3].kv_heads = {0};
  layers[3].neurons.resize(17);
  return model.with_layers(layers);
}

TEST_F(HfConfig, LayersThatDifferAreListedAgainstTheCommonSizes) {
  const Model model = with_different_layers(make({}));
  const Json config = hf_config(model);
  EXPECT_EQ(config["num_attention_heads"], 4);
  EXPECT_EQ(config["num_key_value_heads"], 2);
  EXPECT_EQ(config["intermediate_size"], 48);
  EXPECT_EQ(config["per_layer_config"], Json::parse(R"({
      "1": {"skip": ["attention"]}, "2": {"skip": ["mlp"]},
      "3": {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 17}})"));
  EXPECT_EQ(config["model_type"], "per_layer_llama");
  EXPECT_EQ(config["architectures"], Json::parse(R"(["PerLayerLlamaForCausalLM"])"));
  EXPECT_EQ(config["auto_map"]["AutoModelForCausalLM"],
            "modeling_per_layer_llama.PerLayerLlamaForCausalLM");
  EXPECT_EQ(parse_config(config, "written").layers, model.config().layers);
  EXPECT_THAT(reader_note(model.config()),
              AllOf(HasSubstr("the layers differ in size"), HasSubstr("trust_remote_code=True")));
}

// transformers 5 checks the common head count: it divides the hidden size even if no layer has it.
TEST_F(HfConfig, TheCommonHeadsDivideTheHiddenSize) {
  const Model dense = make({.heads = 3, .kv_heads = 3});
  std::vector<Layer> layers = dense.layers();
  layers[0].neurons.resize(5);
  const Model model = dense.with_layers(layers);
  const Json config = hf_config(model);
  EXPECT_EQ(32 % config["num_attention_heads"].get<int64_t>(), 0);
  for (const char* layer : {"0", "1", "2", "3"}) {
    EXPECT_EQ(config["per_layer_config"][layer]["num_attention_heads"], 3) << layer;
  }
  EXPECT_EQ(parse_config(config, "written").layers, model.config().layers);
}

TEST_F(HfConfig, AFolderWhoseLayersAgreeAgainIsAPlainOne) {
  const Json written = hf_config(with_different_layers(make({})));
  const Model differing = make({.extra = written.dump()});
  ASSERT_EQ(differing.config().layers[1].heads, 0);
  std::vector<Layer> layers = {differing.layers()[0]};
  const Json again = hf_config(differing.with_layers(layers));
  EXPECT_EQ(again["model_type"], "llama");
  EXPECT_EQ(again["architectures"], Json::parse(R"(["LlamaForCausalLM"])"));
  for (const char* key :
       {"per_layer_config", "auto_map", "allow_global_per_layer_attribute_access"}) {
    EXPECT_FALSE(again.contains(key)) << key;
  }
}

TEST_F(HfConfig, AddedBiasesNeedOurCode) {
  const Json config = hf_config(make({}).with_biases(true, false));
  EXPECT_EQ(config["o_proj_bias"], true);
  EXPECT_FALSE(config.contains("down_proj_bias"));
  EXPECT_EQ(config["model_type"], "per_layer_llama");
  EXPECT_TRUE(parse_config(config, "written").output_bias);
}

// hidden 32, heads 3: refused by transformers 5 as a LLaMA, the same function as a Mistral.
TEST_F(HfConfig, AHeadCountThatDoesNotDivideTheHiddenSizeBecomesAMistral) {
  const Model model = make({.heads = 3, .kv_heads = 3});
  const Json config = hf_config(model);
  EXPECT_EQ(config["model_type"], "mistral");
  EXPECT_EQ(config["architectures"], Json::parse(R"(["MistralForCausalLM"])"));
  EXPECT_TRUE(config["sliding_window"].is_null());
  EXPECT_THAT(reader_note(model.config()),
              AllOf(HasSubstr("hidden size (32) is not a multiple of its heads (3)"),
                    HasSubstr("mistral")));
  const ModelConfig read = parse_config(config, "written");
  EXPECT_FALSE(read.sliding_window.has_value());
  EXPECT_EQ(read.layers, model.config().layers);
}

TEST_F(HfConfig, WithBiasesItNeedsOurCode) {
  const Model model = make({.heads = 3, .kv_heads = 3, .extra = R"({"attention_bias":true})"});
  EXPECT_EQ(hf_config(model)["model_type"], "per_layer_llama");
  EXPECT_THAT(reader_note(model.config()), AllOf(HasSubstr("is not a multiple of its heads (3)"),
                                                 HasSubstr("trust_remote_code=True")));
}

TEST_F(HfConfig, OtherFamiliesNeedNoAlias) {
  for (const char* family : {"mistral", "qwen2", "qwen3"}) {
    const Model model = make({.family = family, .heads = 3, .kv_heads = 3});
    EXPECT_EQ(hf_config(model)["model_type"], family);
  }
  EXPECT_EQ(reader_note(make({}).config()), "");
  EXPECT_EQ(reader_note(make({.family = "qwen2"}).config()), "");
}

constexpr const char* kScaled = R"({"rope_scaling":{"rope_type":"linear","factor":2.0}})";

// For transformers before 4.48, whose own Mistral ignores it.
TEST_F(HfConfig, AMistralWithRopeScalingNamesCode) {
  const auto class_of = [](const Model& model) {
    return hf_config(model).value(Json::json_pointer("/auto_map/AutoModelForCausalLM"), "none");
  };
  const char* const named = "modeling_scaled_mistral.ScaledMistralForCausalLM";
  const Model alias = make({.heads = 3, .kv_heads = 3, .extra = kScaled});
  EXPECT_EQ(class_of(alias), named);
  EXPECT_EQ(hf_config(alias)["model_type"], "mistral");
  EXPECT_EQ(hf_config(alias)["architectures"], Json::parse(R"(["MistralForCausalLM"])"));
  EXPECT_EQ(class_of(make({.family = "mistral", .extra = R"({"sliding_window": null,
      "rope_scaling": {"rope_type": "linear", "factor": 2.0}})"})),
            named);
  EXPECT_EQ(class_of(make({.extra = kScaled})), "none");
  EXPECT_EQ(class_of(make({.family = "mistral"})), "none");
  EXPECT_EQ(class_of(make({.heads = 3, .kv_heads = 3})), "none");
}

// The code is a Llama in those versions, which has no window.
TEST_F(HfConfig, AScaledMistralWithAWindowHasNoCode) {
  const Model model = make({.family = "mistral", .extra = R"({"sliding_window": 8,
      "rope_scaling": {"rope_type": "linear", "factor": 2.0}})"});
  EXPECT_FALSE(hf_config(model).contains("auto_map"));
  EXPECT_EQ(reader_note(model.config()), "transformers 4.45 to 4.47 ignore its rope scaling");
}

// For transformers before 4.48, whose own Qwen2 knows no head_dim.
TEST_F(HfConfig, AQwen2WhoseHeadsDoNotAddUpNamesCode) {
  const Json narrow = hf_config(make({.family = "qwen2", .heads = 3, .kv_heads = 3}));
  EXPECT_EQ(narrow["auto_map"]["AutoModelForCausalLM"],
            "modeling_narrow_qwen2.PerLayerQwen2ForCausalLM");
  EXPECT_EQ(narrow["model_type"], "qwen2");
  EXPECT_FALSE(narrow.contains("per_layer_config"));
  EXPECT_FALSE(hf_config(make({.family = "qwen2"})).contains("auto_map"));
  const Model windowed = make({.family = "qwen2", .heads = 3, .kv_heads = 3, .extra = R"({
      "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 0})"});
  EXPECT_FALSE(hf_config(windowed).contains("auto_map"));
  EXPECT_EQ(reader_note(windowed.config()),
            "the heads do not add up to the hidden size: loads in transformers 4.48 and later");
}

// It is not copied.
TEST_F(HfConfig, TheSourcesOwnCodeIsNamedNoLonger) {
  const Model model = make({.extra = R"({"auto_map": {"AutoModelForCausalLM": "theirs.Model"}})"});
  EXPECT_FALSE(hf_config(model).contains("auto_map"));
}

// What the versions do was tried: 4.45 to 4.47 ignore a Mistral's rope scaling and refuse such a
// Qwen2.
TEST_F(HfConfig, TheNoteTellsFromWhichVersionOnTheFolderLoads) {
  const auto note = [&](const RandomModel& what) { return reader_note(make(what).config()); };
  EXPECT_THAT(note({.heads = 3, .kv_heads = 3}), HasSubstr("loads in 4.45 and later"));
  EXPECT_THAT(note({.heads = 3, .kv_heads = 3, .extra = kScaled}),
              AllOf(HasSubstr("loads in 4.48 and later"),
                    HasSubstr("; transformers 4.45 to 4.47 ignore its rope scaling without "
                              "trust_remote_code=True (modeling_scaled_mistral.py)")));
  EXPECT_THAT(note({.family = "qwen2", .heads = 3, .kv_heads = 3}),
              HasSubstr("loads in transformers 4.48 and later, in 4.45 to 4.47 with "
                        "trust_remote_code=True (modeling_narrow_qwen2.py)"));
}

}  // namespace
}  // namespace mop
