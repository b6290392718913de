// tests/unit/surgery/hidden_channels_test.cc -- what goes with a channel of the residual stream.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "model/forward.h"
#include "structure/unit.h"
#include "surgery/surgery.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PlanStep without(IndexList channels) {
  PlanStep step;
  step.branch = "hidden";
  step.channels = std::move(channels);
  return step;
}

at::Tensor stored(const Model& model, Role role, int64_t layer = 0) {
  return stored_tensor(
      model, layer,
      *tensor_of_role(model.config(), model.config().layers[static_cast<size_t>(layer)], role));
}

at::Tensor stored(const Model& model, GlobalRole role) {
  for (const GlobalTensor* tensor : global_tensors(model.config())) {
    if (tensor->role == role) return stored_global(model, *tensor);
  }
  return {};
}

// 4 layers, 4 heads of 8 over 2 KV heads, 48 neurons, hidden 32, vocabulary 96, eps 1e-5.
class HiddenChannels : public ::testing::Test {
 protected:
  HiddenChannels() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }
  TempFolder folder_;
  Model model_;
};

// x = (3, 4) of 2 channels and a third, 12, that goes: the norm divides by sqrt(25 / 3 + eps).
TEST(HiddenChannelsByHand, ASlicedNormGivesWhatTheMaskedOneGives) {
  const double eps = 0.5, weight = 0.25, n = 3, left = 2;
  const double masked = weight * 3 / std::sqrt(25 / n + eps);
  const double sliced = weight * std::sqrt(n / left) * 3 / std::sqrt(25 / left + eps * n / left);
  EXPECT_DOUBLE_EQ(masked, sliced);
  const double without_scales = weight * 3 / std::sqrt(25 / left + eps);
  EXPECT_GT(std::abs(masked - without_scales), 0.02);
}

TEST_F(HiddenChannels, GoFromEveryTensorThatHasThem) {
  IndexList removed;
  for (int32_t i = 0; i < 24; ++i) removed.push_back(i);
  const Model after = apply(without(removed), model_);
  EXPECT_EQ(after.config().hidden, 8);
  EXPECT_THAT(after.channels(), ElementsAre(24, 25, 26, 27, 28, 29, 30, 31));
  EXPECT_DOUBLE_EQ(after.config().norm_eps, 4e-5);
  EXPECT_EQ(after.config().layers, model_.config().layers) << "heads keep their width";
  // A quarter of all but nothing else: every parameter of this model lies along a hidden axis.
  EXPECT_EQ(total_parameters(after.config()), total_parameters(model_.config()) / 4);
  EXPECT_NO_THROW(verify(after, total_parameters(after.config())));

  const auto last = [](const at::Tensor& x, int64_t axis) { return x.narrow(axis, 24, 8); };
  EXPECT_TRUE(at::equal(stored(after, Role::kQuery), last(stored(model_, Role::kQuery), 1)));
  EXPECT_TRUE(at::equal(stored(after, Role::kDown), last(stored(model_, Role::kDown), 0)));
  EXPECT_TRUE(
      at::equal(stored(after, Role::kInputNorm), last(stored(model_, Role::kInputNorm), 0) * 2));
  EXPECT_TRUE(at::equal(stored(after, GlobalRole::kFinalNorm),
                        last(stored(model_, GlobalRole::kFinalNorm), 0) * 2));
  EXPECT_TRUE(at::equal(stored(after, GlobalRole::kEmbedding),
                        last(stored(model_, GlobalRole::kEmbedding), 1)));
  EXPECT_TRUE(
      at::equal(stored(after, GlobalRole::kHead), last(stored(model_, GlobalRole::kHead), 1)));
}

TEST_F(HiddenChannels, AndNeuronsOfOneMatrixGoAlongTwoAxes) {
  PlanStep step = without({0, 5});
  step.removals = {{1, false, {0, 1}, {0}, {3, 4}}};
  const Model after = apply(step, model_);
  const auto rest = [](int64_t count, std::vector<int64_t> gone) {
    std::vector<int64_t> kept;
    for (int64_t i = 0; i < count; ++i) {
      if (std::find(gone.begin(), gone.end(), i) == gone.end()) kept.push_back(i);
    }
    return at::tensor(kept);
  };
  const at::Tensor channels = rest(32, {0, 5}), neurons = rest(48, {3, 4});
  EXPECT_TRUE(
      at::equal(stored(after, Role::kDown, 1),
                stored(model_, Role::kDown, 1).index_select(0, channels).index_select(1, neurons)));
  EXPECT_TRUE(
      at::equal(stored(after, Role::kGate, 1),
                stored(model_, Role::kGate, 1).index_select(0, neurons).index_select(1, channels)));
  EXPECT_TRUE(
      at::equal(stored(after, Role::kOutput, 1),
                stored(model_, Role::kOutput, 1).index_select(0, channels).narrow(1, 16, 16)));
  EXPECT_NO_THROW(verify(after, total_parameters(after.config())));
}

TEST_F(HiddenChannels, TwoStepsLeaveWhatOneLeaves) {
  const Model once = apply(without({1, 2, 7, 30}), model_);
  const Model twice = apply(without({2, 30}), apply(without({1, 7}), model_));
  EXPECT_EQ(once.channels(), twice.channels());
  EXPECT_EQ(once.config().norm_eps, twice.config().norm_eps);
  EXPECT_TRUE(at::equal(stored(once, Role::kMlpNorm, 2), stored(twice, Role::kMlpNorm, 2)));
}

TEST_F(HiddenChannels, ChangedTensorsLoseThemToo) {
  std::vector<Layer> layers = model_.layers();
  layers[0].changed[Role::kDown] = at::arange(32).view({32, 1}).expand({32, 48}).to(at::kFloat);
  layers[0].changed[Role::kMlpNorm] = at::arange(32).to(at::kFloat);
  IndexList removed;
  for (int32_t i = 8; i < 32; ++i) removed.push_back(i);
  const Model changed = model_.with_layers(layers)
                            .with_global(GlobalRole::kFinalNorm, at::arange(32).to(at::kBFloat16))
                            .with_global(GlobalRole::kHead, at::ones({96, 32}));
  const Model after = apply(without(removed), changed);
  const auto& left = after.layers()[0].changed;
  EXPECT_TRUE(at::equal(left.at(Role::kDown).select(1, 0), at::arange(8).to(at::kFloat)));
  EXPECT_TRUE(at::equal(left.at(Role::kMlpNorm), at::arange(8).to(at::kFloat) * 2));
  EXPECT_TRUE(at::equal(after.changed_globals().at(GlobalRole::kFinalNorm),
                        (at::arange(8) * 2).to(at::kBFloat16)));
  EXPECT_EQ(after.changed_globals().at(GlobalRole::kHead).size(1), 8);
  EXPECT_NO_THROW(verify(after, total_parameters(after.config())));
}

TEST_F(HiddenChannels, CostWhatTheModelLosesWithOne) {
  const int64_t before = total_parameters(model_.config());
  const Model after = apply(without({9}), model_);
  EXPECT_EQ(before - total_parameters(after.config()),
            unit_parameters(UnitKind::kChannel, model_.config(), {}));
  EXPECT_EQ(num_units(UnitKind::kChannel, after.config(), {}), 31);
}

TEST_F(HiddenChannels, ThatAreNotThereOrTheLastAreRefused) {
  EXPECT_THAT(refusal_of([&] { apply(without({32}), model_); }),
              HasSubstr("the model has no hidden channel 32 to remove"));
  EXPECT_THAT(refusal_of([&] { apply(without(all_indices(32)), model_); }),
              HasSubstr("the model would keep 0 of 32 hidden channels"));
  const Model once = apply(without({4}), model_);
  EXPECT_THAT(refusal_of([&] { apply(without({4}), once); }),
              HasSubstr("the model has no hidden channel 4 to remove"));
}

TEST_F(HiddenChannels, OfALanguageModelThatSeesStay) {
  const TempFolder folder;
  write_random_model(folder.path(), {.within = "llava"});
  EXPECT_THAT(refusal_of([&] { apply(without({4}), Model::open(folder.path())); }),
              HasSubstr("cannot be removed: its projector writes into all of them"));
}

TEST_F(HiddenChannels, VerifyLooksAtThem) {
  IndexList channels = all_indices(32);
  std::swap(channels[3], channels[4]);
  EXPECT_THROW(verify(model_.with_channels(channels), total_parameters(model_.config())), Error);
}

// The norm's weights are rounded as they are stored, so that a reader of what was written computes
// the same.
TEST(HiddenChannelsInBfloat16, AreComputedWithAsTheyAreWritten) {
  const TempFolder folder;
  write_random_model(folder.path(), {.dtype = "bfloat16"});
  const Model after = apply(without({0, 1, 2, 3, 4}), Model::open(folder.path()));
  const at::Tensor norm = stored(after, Role::kInputNorm);
  EXPECT_EQ(norm.scalar_type(), at::kBFloat16);
  WeightLoader loader(after, {});
  EXPECT_TRUE(at::equal(loader.layer(0)[Role::kInputNorm], norm.to(at::kFloat)));
  EXPECT_TRUE(at::equal(loader.globals().final_norm_D,
                        stored(after, GlobalRole::kFinalNorm).to(at::kFloat)));
}

}  // namespace
}  // namespace mop::testing
