// tests/unit/criteria/damage_curves_test.cc -- curves against what removing units really costs.
#include "criteria/damage_curves.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

using ::testing::SizeIs;

// 4 layers, 4 heads of 8 over 2 KV heads, 48 neurons, hidden 32.
class DamageCurves : public ::testing::Test {
 protected:
  DamageCurves() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
    at::manual_seed(5);
    for (int64_t i = 0; i < 12; ++i) {
      const at::Tensor ids = at::randint(1, 60, {40}, at::kLong);
      samples_.ids.emplace_back(ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + 40);
    }
  }
  std::vector<LayerCurves> curves(const CurveSettings& settings = {}) {
    return damage_curves(model_, {}, samples_, settings, folder_.path(), silent_progress());
  }
  // The columns of down_proj that these neurons of layer 1 write through become zero.
  void silence(const std::vector<int64_t>& neurons) {
    std::vector<Layer> layers = model_.layers();
    for (const LayerTensor* tensor : tensors_of_layer(model_.config(), model_.config().layers[1])) {
      if (tensor->role != Role::kDown) continue;
      at::Tensor down_DI = stored_tensor(model_, 1, *tensor).clone();
      down_DI.index_fill_(1, at::tensor(neurons), 0);
      layers[1].changed[Role::kDown] = down_DI;
    }
    model_ = model_.with_layers(layers);
  }
  TempFolder folder_;
  Model model_;
  TokenSamples samples_;
};

TEST_F(DamageCurves, HoldEveryUnitOfEveryHalfLayerOnce) {
  for (const LayerCurves& layer : curves()) {
    EXPECT_THAT(layer.kv_groups.order, SizeIs(2));
    EXPECT_THAT(layer.neurons.order, SizeIs(48));
    EXPECT_EQ(std::set<int32_t>(layer.neurons.order.begin(), layer.neurons.order.end()).size(),
              48u);
    EXPECT_TRUE(std::is_sorted(layer.neurons.damage.begin(), layer.neurons.damage.end()));
    EXPECT_GT(layer.neurons.damage.back(), 0);
  }
}

TEST_F(DamageCurves, OfWholeHalvesStandBesideTheOthersWhereAskedFor) {
  const auto plain = curves(), halves = curves({.halves = true});
  EXPECT_FALSE(halves[0].without_attention) << "no matrix stands before it";
  EXPECT_FALSE(plain[2].without_mlp);
  for (size_t i = 0; i < halves.size(); ++i) {
    EXPECT_EQ(halves[i].neurons.order, plain[i].neurons.order);
    EXPECT_EQ(halves[i].neurons.damage, plain[i].neurons.damage);
    ASSERT_TRUE(halves[i].without_mlp);
    EXPECT_GT(*halves[i].without_mlp, 0);
    // The matrix before it takes over a part of what goes; the curve's end has the ridge in it,
    // too.
    EXPECT_LT(*halves[i].without_mlp, halves[i].neurons.damage.back());
    if (i == 0) continue;
    EXPECT_LT(*halves[i].without_attention, halves[i].kv_groups.damage.back());
  }
  std::vector<int64_t> all(48);
  std::iota(all.begin(), all.end(), 0);
  silence(all);
  EXPECT_EQ(*curves({.halves = true})[1].without_mlp, 0);
}

TEST_F(DamageCurves, NeuronsThatSendNothingGoFirstAndCostNothing) {
  silence({3, 17, 40});
  for (const bool gradients : {true, false}) {
    const DamageCurve curve = curves({.gradients = gradients})[1].neurons;
    EXPECT_EQ(std::set<int32_t>(curve.order.begin(), curve.order.begin() + 3),
              (std::set<int32_t>{3, 17, 40}));
    EXPECT_LT(curve.damage[2], 1e-9 * curve.damage.back());
    EXPECT_GT(curve.damage[3], 1e-6 * curve.damage.back());
  }
}

TEST_F(DamageCurves, WeighWhatAHalfLayerSendsOnByTheGradientOfTheLoss) {
  const auto with = curves()[0].neurons, without = curves({.gradients = false})[0].neurons;
  EXPECT_NE(with.damage.back(), without.damage.back());
}

TEST_F(DamageCurves, ALargerRidgeTakesAUnitForLessReplaceable) {
  const auto little = curves({.damping = 1e-3})[2].neurons,
             much = curves({.damping = 1})[2].neurons;
  EXPECT_LT(little.damage[20], much.damage[20]);
}

TEST_F(DamageCurves, NeedText) {
  samples_.ids.clear();
  EXPECT_THROW(curves(), Error);
}

}  // namespace
}  // namespace mop::testing
