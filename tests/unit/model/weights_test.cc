#include "model/weights.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kit/random_model.h"

namespace mop {
namespace {

class Weights : public ::testing::Test {
 protected:
  Weights() {
    testing::RandomModel what;
    what.dtype = "bfloat16";
    what.extra = R"({"attention_bias": true, "mlp_bias": true})";
    testing::write_random_model(folder_.path(), what);
    model_.emplace(Model::open(folder_.path()));
    std::vector<Layer> layers = model_->layers();
    layers[1].heads = {2, 3};
    layers[1].kv_heads = {1};
    layers[1].neurons = {0, 5, 47};
    pruned_.emplace(model_->with_layers(layers));
  }
  at::Tensor stored(const std::string& suffix) const {
    return model_->checkpoint().tensor("model.layers.1." + suffix);
  }
  testing::TempFolder folder_;
  std::optional<Model> model_, pruned_;
};

TEST_F(Weights, HeadsTakeTheirRowsColumnsAndBiases) {
  WeightLoader loader(*pruned_, {at::kBFloat16, c10::kCPU});
  const LayerWeights& layer = loader.layer(1);
  EXPECT_TRUE(at::equal(layer[Role::kQuery], stored("self_attn.q_proj.weight").slice(0, 16, 32)));
  EXPECT_TRUE(at::equal(layer[Role::kQueryBias], stored("self_attn.q_proj.bias").slice(0, 16, 32)));
  EXPECT_TRUE(at::equal(layer[Role::kKey], stored("self_attn.k_proj.weight").slice(0, 8, 16)));
  EXPECT_TRUE(at::equal(layer[Role::kValueBias], stored("self_attn.v_proj.bias").slice(0, 8, 16)));
  EXPECT_TRUE(at::equal(layer[Role::kOutput], stored("self_attn.o_proj.weight").slice(1, 16, 32)));
  EXPECT_TRUE(at::equal(layer[Role::kOutputBias], stored("self_attn.o_proj.bias")));
}

TEST_F(Weights, NeuronsTakeTheirRowsAndColumns) {
  WeightLoader loader(*pruned_, {});
  const at::Tensor index = at::tensor({0, 5, 47}, at::kLong);
  const LayerWeights& layer = loader.layer(1);
  EXPECT_TRUE(at::equal(layer[Role::kGate],
                        stored("mlp.gate_proj.weight").index_select(0, index).to(at::kFloat)));
  EXPECT_TRUE(at::equal(layer[Role::kUpBias],
                        stored("mlp.up_proj.bias").index_select(0, index).to(at::kFloat)));
  EXPECT_TRUE(at::equal(layer[Role::kDown],
                        stored("mlp.down_proj.weight").index_select(1, index).to(at::kFloat)));
  EXPECT_TRUE(at::equal(layer[Role::kDownBias], stored("mlp.down_proj.bias").to(at::kFloat)));
}

TEST_F(Weights, WhatIsWholeAndOfTheRightTypeIsNotCopied) {
  WeightLoader loader(*pruned_, {at::kBFloat16, c10::kCPU}, WeightLoader::Keep::kOne);
  EXPECT_EQ(loader.layer(0)[Role::kQuery].data_ptr(),
            model_->checkpoint().tensor("model.layers.0.self_attn.q_proj.weight").data_ptr());
  EXPECT_EQ(loader.layer(1)[Role::kInputNorm].data_ptr(),
            stored("input_layernorm.weight").data_ptr());
}

TEST_F(Weights, OneLayersMemoryServesAll) {
  WeightLoader loader(*model_, {}, WeightLoader::Keep::kOne);
  const void* first = loader.layer(0)[Role::kDown].data_ptr();
  for (const int64_t layer : {1, 3, 2, 0}) {
    const LayerWeights& weights = loader.layer(layer);
    EXPECT_EQ(weights[Role::kDown].data_ptr(), first);
    const at::Tensor expected =
        model_->checkpoint()
            .tensor(fmt::format("model.layers.{}.mlp.down_proj.weight", layer))
            .to(at::kFloat);
    EXPECT_TRUE(at::equal(weights[Role::kDown], expected));
  }
}

TEST_F(Weights, KeptLayersStayValidTogether) {
  WeightLoader loader(*pruned_, {}, WeightLoader::Keep::kAll);
  const LayerWeights& first = loader.layer(0);
  const at::Tensor before = first[Role::kGate].clone();
  loader.layer(1);
  EXPECT_EQ(&loader.layer(0), &first);
  EXPECT_TRUE(at::equal(first[Role::kGate], before));
  EXPECT_THROW(loader.layer(4), Error);
}

TEST_F(Weights, LayersOfDifferentSizesFollowEachOther) {
  std::vector<Layer> layers = pruned_->layers();
  layers[2].neurons.resize(20);
  layers[3].heads = layers[3].kv_heads = {};
  const Model model = pruned_->with_layers(layers);
  WeightLoader one(model, {}, WeightLoader::Keep::kOne), all(model, {}, WeightLoader::Keep::kAll);
  for (int64_t layer : {1, 0, 2, 3, 1}) {
    for (size_t role = 0; role < kNumRoles; ++role) {
      const at::Tensor &a = one.layer(layer).tensors[role], &b = all.layer(layer).tensors[role];
      ASSERT_EQ(a.defined(), b.defined());
      if (a.defined()) {
        EXPECT_TRUE(at::equal(a, b)) << layer << " " << role;
      }
    }
  }
  EXPECT_FALSE(one.layer(3)[Role::kQuery].defined());
  EXPECT_FALSE(one.layer(3)[Role::kInputNorm].defined());
}

TEST_F(Weights, ChangedTensorsReplaceStoredOnes) {
  std::vector<Layer> layers = pruned_->layers();
  layers[1].changed[Role::kDownBias] = at::full({32}, 2.0, at::kBFloat16);
  const Model model =
      pruned_->with_layers(layers).with_global(GlobalRole::kFinalNorm, at::full({32}, 3.0));
  WeightLoader loader(model, {});
  EXPECT_TRUE(at::equal(loader.layer(1)[Role::kDownBias], at::full({32}, 2.0)));
  EXPECT_TRUE(at::equal(loader.globals().final_norm_D, at::full({32}, 3.0)));
  EXPECT_TRUE(
      at::equal(loader.layer(2)[Role::kDownBias],
                model_->checkpoint().tensor("model.layers.2.mlp.down_proj.bias").to(at::kFloat)));
}

TEST_F(Weights, StoredTensorsKeepTheirType) {
  const ModelConfig& config = pruned_->config();
  for (const LayerTensor* tensor : tensors_of_layer(config, config.layers[1])) {
    const at::Tensor value = stored_tensor(*pruned_, 1, *tensor);
    EXPECT_EQ(value.scalar_type(), at::kBFloat16);
    for (size_t axis = 0; axis < tensor->axes.size(); ++axis) {
      EXPECT_EQ(value.size(static_cast<int64_t>(axis)),
                axis_length(tensor->axes[axis], config, config.layers[1]));
    }
  }
}

TEST(GlobalWeights, ATiedHeadIsTheEmbedding) {
  testing::TempFolder folder;
  testing::RandomModel what;
  what.tied = true;
  testing::write_random_model(folder.path(), what);
  WeightLoader loader(Model::open(folder.path()), {});
  EXPECT_TRUE(at::equal(loader.globals().head_VD, loader.globals().embedding_VD));
}

}  // namespace
}  // namespace mop
