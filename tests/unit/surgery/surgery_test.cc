// tests/unit/surgery/surgery_test.cc -- what is cut, what is refused, what is verified.
#include "surgery/surgery.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/weights.h"
#include "reference/slow_surgery.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// 4 layers, 4 heads of 8 over 2 KV heads, 48 neurons, hidden 32.
class Surgery : public ::testing::Test {
 protected:
  Surgery() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }
  PlanStep step(std::vector<LayerRemoval> removals) { return {"test", std::move(removals), {}, 0}; }
  std::string refusal(std::vector<LayerRemoval> removals) {
    try {
      apply(step(std::move(removals)), model_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      return error.what();
    }
    return "no error";
  }
  TempFolder folder_;
  Model model_;
};

TEST_F(Surgery, RemovesALayer) {
  const Model after = apply(step({{1, true, {}, {}, {}}}), model_);
  EXPECT_EQ(after.num_layers(), 3);
  EXPECT_EQ(after.layers()[1].source, 2);
  EXPECT_EQ(model_.num_layers(), 4);
}

TEST_F(Surgery, RemovesUnitsByTheirSourceIndex) {
  const Model once = apply(step({{2, false, {0, 1}, {0}, {5, 6}}}), model_);
  const Model twice = apply(step({{2, false, {}, {}, {7, 47}}}), once);
  const Layer& layer = twice.layers()[2];
  EXPECT_THAT(layer.heads, ElementsAre(2, 3));
  EXPECT_THAT(layer.kv_heads, ElementsAre(1));
  EXPECT_EQ(layer.neurons.size(), 44u);
  EXPECT_EQ(layer.neurons[5], 8);
  EXPECT_EQ(twice.config().layers[2], (LayerShape{2, 1, 8, 44}));
  EXPECT_TRUE(twice.layers()[0].same_as(model_.layers()[0]));
}

TEST_F(Surgery, EqualsThePlainReference) {
  const PlanStep first = step({{0, false, {2, 3}, {1}, {0, 9, 30}}, {1, true, {}, {}, {}}});
  const PlanStep second = step({{0, false, {}, {}, {1}}, {3, false, {0, 1}, {0}, {46}}});
  const Model after = apply(second, apply(first, model_));
  const Tensors struck_out =
      strike_out(strike_out(all_tensors(model_.checkpoint()), first, 8), second, 8);
  const Tensors expected = drop_struck_out(struck_out);
  size_t compared = 0;
  for (int64_t i = 0; i < after.num_layers(); ++i) {
    const auto source = after.layers()[static_cast<size_t>(i)].source;
    for (const LayerTensor* tensor :
         tensors_of_layer(after.config(), after.config().layers[static_cast<size_t>(i)])) {
      const std::string name = tensor_name(*after.config().family, source, *tensor);
      EXPECT_TRUE(at::equal(stored_tensor(after, i, *tensor), expected.at(name))) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, expected.size() - global_tensors(after.config()).size());
}

TEST_F(Surgery, RemovingNothingChangesNothing) {
  const Model after = apply(step({}), model_);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(after.layers()[i].same_as(model_.layers()[i]));
}

TEST_F(Surgery, SlicesChangedTensorsToo) {
  std::vector<Layer> layers = model_.layers();
  layers[0].changed[Role::kQuery] = at::arange(32).view({32, 1}).expand({32, 32}).to(at::kFloat);
  layers[0].changed[Role::kOutput] = at::arange(32).view({1, 32}).expand({32, 32}).to(at::kFloat);
  layers[0].changed[Role::kKey] = at::arange(16).view({16, 1}).expand({16, 32}).to(at::kFloat);
  layers[0].changed[Role::kDown] = at::arange(48).view({1, 48}).expand({32, 48}).to(at::kFloat);
  layers[0].changed[Role::kInputNorm] = at::arange(32).to(at::kFloat);
  const Model after = apply(step({{0, false, {0, 1}, {0}, {0, 2}}}), model_.with_layers(layers));
  const auto& changed = after.layers()[0].changed;
  EXPECT_TRUE(at::equal(changed.at(Role::kQuery).select(1, 0), at::arange(16, 32).to(at::kFloat)));
  EXPECT_TRUE(at::equal(changed.at(Role::kOutput).select(0, 0), at::arange(16, 32).to(at::kFloat)));
  EXPECT_TRUE(at::equal(changed.at(Role::kKey).select(1, 0), at::arange(8, 16).to(at::kFloat)));
  EXPECT_EQ(changed.at(Role::kDown).size(1), 46);
  EXPECT_EQ(changed.at(Role::kDown)[0][0].item<float>(), 1);
  EXPECT_EQ(changed.at(Role::kInputNorm).size(0), 32);
  EXPECT_NO_THROW(verify(after, total_parameters(after.config())));
}

LayerRemoval half_of(int32_t layer, Half half) {
  LayerRemoval removal;
  removal.layer = layer;
  (half == Half::kAttention ? removal.attention : removal.mlp) = true;
  return removal;
}

TEST_F(Surgery, AHalfGoesWithItsNormAndWhatChangedInIt) {
  std::vector<Layer> layers = model_.layers();
  layers[1].changed[Role::kOutput] = at::zeros({32, 32});
  layers[1].changed[Role::kDown] = at::zeros({32, 48});
  const Model changed = model_.with_layers(layers);
  LayerRemoval removal = half_of(1, Half::kAttention);
  removal.neurons = {3};
  const Model after = apply(step({removal, half_of(2, Half::kMlp)}), changed);
  EXPECT_EQ(after.config().layers[1], (LayerShape{0, 0, 8, 47}));
  EXPECT_EQ(after.config().layers[2], (LayerShape{4, 2, 8, 0}));
  EXPECT_FALSE(after.layers()[1].changed.contains(Role::kOutput));
  EXPECT_EQ(after.layers()[1].changed.at(Role::kDown).size(1), 47);
  // Attention 3072, MLP 4608, a norm of 32 each, a neuron 96.
  EXPECT_NO_THROW(
      verify(after, total_parameters(model_.config()) - (3072 + 32 + 96) - (4608 + 32)));
}

TEST_F(Surgery, RefusesAHalfThatIsNotThereOrIsTheLast) {
  EXPECT_THAT(refusal({[] {
                LayerRemoval both = half_of(1, Half::kAttention);
                both.mlp = true;
                return both;
              }()}),
              HasSubstr("layer 1 would keep neither half"));
  model_ = apply(step({half_of(1, Half::kAttention)}), model_);
  EXPECT_THAT(refusal({half_of(1, Half::kAttention)}),
              HasSubstr("layer 1 has no attention half to remove"));
  EXPECT_THAT(refusal({half_of(1, Half::kMlp)}), HasSubstr("layer 1 would keep neither half"));
}

TEST_F(Surgery, RefusesWhatIsNotThere) {
  EXPECT_THAT(refusal({{9, true, {}, {}, {}}}),
              HasSubstr("removes units of layer 9, which does not exist"));
  EXPECT_THAT(refusal({{0, false, {}, {}, {48}}}), HasSubstr("layer 0 has no neuron 48 to remove"));
  EXPECT_THAT(refusal({{0, false, {}, {}, {4, 3}}}),
              HasSubstr("layer 0 has no neuron 3 to remove"));
  EXPECT_THAT(refusal({{2, true, {}, {}, {}}, {1, true, {}, {}, {}}}),
              HasSubstr("layer 1, which does not exist"));
}

TEST_F(Surgery, RefusesToEmptyALayer) {
  EXPECT_THAT(refusal({{1, false, {0, 1, 2, 3}, {0, 1}, {}}}),
              HasSubstr("layer 1 would keep 0 of 4 query heads, at least 1 is required"));
  EXPECT_THAT(refusal({{0, true, {}, {}, {}},
                       {1, true, {}, {}, {}},
                       {2, true, {}, {}, {}},
                       {3, true, {}, {}, {}}}),
              HasSubstr("would remove every layer"));
}

TEST_F(Surgery, RefusesToBreakAGroup) {
  EXPECT_THAT(refusal({{0, false, {0, 1}, {1}, {}}}),
              HasSubstr("query heads of KV head 0, expected 2"));
  EXPECT_THAT(refusal({{0, false, {0}, {}, {}}}),
              HasSubstr("would keep 2 query heads of KV head 1, expected 1"));
}

TEST_F(Surgery, APlanIsReplayedAndItsPredictionsChecked) {
  PrunePlan plan{"", total_parameters(model_.config()), {}};
  plan.steps.push_back(step({{1, true, {}, {}, {}}}));
  plan.steps[0].parameters =
      plan.dense_parameters - layer_parameters(model_.config(), model_.config().layers[1]);
  EXPECT_EQ(apply(plan, model_).num_layers(), 3);
  plan.steps[0].parameters += 1;
  EXPECT_THROW(apply(plan, model_), Error);
  plan.dense_parameters += 1;
  EXPECT_THROW(apply(plan, model_), Error);
}

TEST_F(Surgery, VerifyCatchesWhatDoesNotFit) {
  const int64_t parameters = total_parameters(model_.config());
  EXPECT_NO_THROW(verify(model_, parameters));
  const auto broken = [&](auto change) {
    std::vector<Layer> layers = model_.layers();
    change(layers);
    const Model model = model_.with_layers(layers);
    try {
      verify(model, total_parameters(model.config()));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInternal);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(broken([](auto& layers) { std::swap(layers[0], layers[1]); }),
              HasSubstr("source layer 0, after source layer 1"));
  EXPECT_THAT(broken([](auto& layers) { layers[0].neurons.back() = 48; }),
              HasSubstr("keeps neuron 48"));
  EXPECT_THAT(broken([](auto& layers) { std::swap(layers[0].heads[0], layers[0].heads[1]); }),
              HasSubstr("keeps query head 0 at position 1"));
  EXPECT_THAT(broken([](auto& layers) { layers[0].heads.pop_back(); }),
              HasSubstr("3 heads for 2 KV heads"));
  EXPECT_THAT(broken([](auto& layers) {
                layers[0].changed[Role::kDown] = at::zeros({32, 47});
              }),
              HasSubstr("down_proj.weight has the shape [32, 47], expected [32, 48]"));
  EXPECT_THAT(broken([](auto& layers) { layers[0].changed[Role::kQueryNorm] = at::zeros({8}); }),
              HasSubstr("1 changed tensors that its family does not know"));
}

TEST_F(Surgery, VerifyCatchesChangedValuesThatAreNotFinite) {
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  for (const float value : {std::nanf(""), kInfinite, -kInfinite}) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      std::vector<Layer> layers = model_.layers();
      at::Tensor& changed = layers[2].changed[Role::kDown];
      changed = at::zeros({32, 48}, dtype);
      const auto verified = [&] {
        verify(model_.with_layers(layers), total_parameters(model_.config()));
      };
      EXPECT_NO_THROW(verified());
      changed[17][21].fill_(value);
      EXPECT_THAT(verified, ThrowsMessage<Error>(HasSubstr("layers.2.mlp.down_proj.weight is not "
                                                           "finite")));
    }
  }
  const at::Tensor norm = at::full({32}, std::nanf(""));
  EXPECT_THROW(
      verify(model_.with_global(GlobalRole::kFinalNorm, norm), total_parameters(model_.config())),
      Error);
}

}  // namespace
}  // namespace mop::testing
