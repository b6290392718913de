#include "model/composite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/parse_json.h"
#include "kit/refusal.h"
#include "model/family.h"

namespace mop {
namespace {
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::refusal_of;

// What the config.json of llava-hf/llava-1.5-7b-hf says: its language model's sizes are left out.
const char* const kLlava7b = R"({
  "architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100,
  "image_token_index": 32000, "model_type": "llava", "pad_token_id": 32001,
  "projector_hidden_act": "gelu",
  "text_config": {"_name_or_path": "lmsys/vicuna-7b-v1.5", "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 4096, "model_type": "llama", "rms_norm_eps": 1e-05,
    "torch_dtype": "float16", "vocab_size": 32064},
  "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.36.0.dev0",
  "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
    "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
    "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
  "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vocab_size": 32064})";

Json llava() { return parse_json(kLlava7b); }

std::string refusal(const Json& config) {
  return refusal_of([&] { parse_config(config, "config.json"); });
}

TEST(Composite, CountsLlavasPartsBesideItsLanguageModel) {
  const ModelConfig config = parse_config(llava(), "config.json");
  ASSERT_NE(config.composite, nullptr);
  EXPECT_EQ(config.composite->parts[0].parameters(), 303507456);
  EXPECT_EQ(config.composite->parts[1].parameters(), 20979712);
  EXPECT_EQ(total_parameters(config), 7063427072);
  EXPECT_EQ(language_parameters(config), 7063427072 - 303507456 - 20979712);
  EXPECT_EQ(rows_of_image(config.composite->vision, config.composite->projector), 576);
}

TEST(Composite, ATowerMayHaveHeadsAndWidthsOfItsOwnInEachLayer) {
  Json config = llava();
  const ModelConfig whole = parse_config(config, "config.json");
  EXPECT_EQ(whole.composite->tower.layers.size(), 23);
  EXPECT_EQ(whole.composite->unused_layers(), 1);
  std::vector<int64_t> heads(24, 16), widths(24, 4096);
  heads[3] = 12, widths[22] = 4000;
  config["vision_config"]["num_attention_heads_per_layer"] = heads;
  config["vision_config"]["intermediate_size_per_layer"] = widths;
  const ModelConfig cut = parse_config(config, "config.json");
  EXPECT_EQ(cut.composite->tower.layers[3], (LayerShape{12, 12, 64, 4096}));
  // Four heads of 64: rows and biases of q, k and v, columns of out_proj; 96 neurons.
  const int64_t gone = 4 * 64 * (4 * 1024 + 3) + 96 * (2 * 1024 + 1);
  EXPECT_EQ(total_parameters(whole) - total_parameters(cut), gone);
  heads[3] = 17;
  config["vision_config"]["num_attention_heads_per_layer"] = heads;
  EXPECT_THAT(refusal(config), HasSubstr("17 in layer 3"));
  config["vision_config"]["num_attention_heads_per_layer"] = {16, 16};
  EXPECT_THAT(refusal(config), HasSubstr("2 numbers for 24 layers"));
}

TEST(Composite, SizesThatTextConfigLeavesOutAreTheClasss) {
  const ModelConfig config = parse_config(llava(), "config.json");
  EXPECT_EQ(config.layers.size(), 32);
  EXPECT_EQ(config.layers[0], (LayerShape{32, 32, 128, 11008}));
  EXPECT_EQ(config.vocab, 32064);
  EXPECT_EQ(config.norm_eps, 1e-5);
  // A language model alone must give them.
  EXPECT_THAT(refusal(llava()["text_config"]), HasSubstr("hidden_size"));
}

TEST(Composite, AMistralMayBeTheLanguageModel) {
  Json config = llava();
  config["text_config"]["model_type"] = "mistral";
  EXPECT_EQ(parse_config(config, "config.json").family->name, "mistral");
}

TEST(Composite, UnknownKeysOfTheWholeAreToldToo) {
  Json config = llava();
  config["zoom"] = 2;
  EXPECT_THAT(parse_config(config, "config.json").notes,
              Contains(HasSubstr("config.json: zoom is unknown")));
}

TEST(Composite, RefusesWhatItCannotPassThrough) {
  Json config = llava();
  config["vision_config"]["model_type"] = "siglip_vision_model";
  EXPECT_THAT(refusal(config),
              HasSubstr("unsupported vision tower: model_type 'siglip_vision_model'"));
  config = llava();
  config["vision_config"]["num_attention_heads"] = 15;
  EXPECT_THAT(refusal(config), HasSubstr("hidden_size 1024 is not a multiple of 15 heads"));
  config = llava();
  config["image_token_index"] = 32064;
  EXPECT_THAT(refusal(config),
              HasSubstr("image token id 32064 is outside the vocabulary of 32064"));
  config = llava();
  config["vision_feature_layer"] = -26;
  EXPECT_THAT(refusal(config),
              HasSubstr("'vision_feature_layer' is -26, but the tower has 24 layers"));
  // The tower's embeddings: transformers allows them, here no layer would be left to compute.
  for (const int64_t embeddings : {0, -25}) {
    config["vision_feature_layer"] = embeddings;
    EXPECT_THAT(refusal(config), HasSubstr("'vision_feature_layer' names no layer")) << embeddings;
  }
  config = llava();
  config["projector_hidden_act"] = "mish";
  EXPECT_THAT(refusal(config), HasSubstr("projector_hidden_act is 'mish'"));
  config = llava();
  config.erase("text_config");
  EXPECT_THAT(refusal(config), HasSubstr("there is no section 'text_config'"));
}

}  // namespace
}  // namespace mop
