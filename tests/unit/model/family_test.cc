#include "model/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mop {
namespace {

ModelConfig llama2_7b() {
  return parse_config(
      Json::parse(R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008,
    "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000})"),
      "config.json");
}

TEST(Family, CountsTheParametersOfKnownModels) {
  EXPECT_EQ(total_parameters(llama2_7b()), 6738415616);
  const ModelConfig llama3 = parse_config(
      Json::parse(R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256})"),
      "config.json");
  EXPECT_EQ(total_parameters(llama3), 8030261248);
  // Qwen/Qwen3-0.6B: tied, heads * head_dim = 2 * hidden.
  const ModelConfig qwen3 = parse_config(
      Json::parse(R"({"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072,
      "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
      "vocab_size": 151936, "tie_word_embeddings": true})"),
      "config.json");
  EXPECT_EQ(total_parameters(qwen3), 596049920);
}

TEST(Family, ALayerWithoutAHalfHasNoneOfItsTensors) {
  const ModelConfig config = llama2_7b();
  LayerShape shape = config.layers[0];
  const int64_t whole = layer_parameters(config, shape);
  LayerShape no_attention = shape, no_mlp = shape, nothing = shape;
  no_attention.heads = no_attention.kv_heads = nothing.heads = nothing.kv_heads = 0;
  no_mlp.mlp = nothing.mlp = 0;
  EXPECT_EQ(layer_parameters(config, no_attention), 3 * 4096 * 11008 + 4096);
  EXPECT_EQ(layer_parameters(config, no_mlp), 4 * 4096 * 4096 + 4096);
  EXPECT_EQ(layer_parameters(config, no_mlp) + layer_parameters(config, no_attention), whole);
  EXPECT_EQ(layer_parameters(config, nothing), 0);
}

TEST(Family, NamesCarryTheLayerNumber) {
  const ModelConfig config = llama2_7b();
  std::vector<std::string> names;
  for (const LayerTensor* tensor : tensors_of_layer(config, config.layers[7])) {
    names.push_back(tensor_name(*config.family, 7, *tensor));
  }
  EXPECT_THAT(
      names,
      ::testing::ElementsAre(
          "model.layers.7.input_layernorm.weight", "model.layers.7.self_attn.q_proj.weight",
          "model.layers.7.self_attn.k_proj.weight", "model.layers.7.self_attn.v_proj.weight",
          "model.layers.7.self_attn.o_proj.weight",
          "model.layers.7.post_attention_layernorm.weight", "model.layers.7.mlp.gate_proj.weight",
          "model.layers.7.mlp.up_proj.weight", "model.layers.7.mlp.down_proj.weight"));
}

TEST(Family, TablesNameEachRoleAndTensorOnceInFileOrder) {
  for (const Family& family : all_families()) {
    SCOPED_TRACE(family.name);
    std::set<std::string_view> suffixes;
    int last = -1;
    for (const LayerTensor& tensor : family.layer_tensors) {
      EXPECT_GT(static_cast<int>(tensor.role), last);
      last = static_cast<int>(tensor.role);
      EXPECT_TRUE(suffixes.insert(tensor.suffix).second);
    }
    EXPECT_EQ(family.global_tensors.size(), kNumGlobalRoles);
  }
}

}  // namespace
}  // namespace mop
