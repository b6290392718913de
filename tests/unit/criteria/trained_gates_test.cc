// tests/unit/criteria/trained_gates_test.cc -- gates that are trained on a small random model.
#include "criteria/trained_gates.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/error.h"
#include "kit/random_model.h"
#include "kit/refusal.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

// Keeps the lines.
class Listener : public Progress {
 public:
  void note(std::string_view text) override { lines.emplace_back(text); }
  void advance(int64_t done) override { steps = done; }
  std::vector<std::string> lines;
  int64_t steps = 0;
};

// 4 layers, 4 heads of 8 over 2 KV heads, 48 neurons, hidden 32.
class TrainedGates : public ::testing::Test {
 protected:
  TrainedGates() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
    at::manual_seed(5);
    for (int64_t i = 0; i < 12; ++i) {
      const at::Tensor ids = at::randint(1, 60, {20}, at::kLong);
      samples_.ids.emplace_back(ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + 20);
    }
    // A neuron costs 1, a group 10.
    training_.group_prices.assign(4, 10);
    training_.neuron_prices.assign(4, 1);
    training_.steps = 120;
    training_.batch_tokens = 60;
  }
  std::vector<LayerCurves> curves() {
    return trained_gate_curves(model_, {}, samples_, training_, folder_.path(), listener_);
  }
  TempFolder folder_;
  Model model_;
  TokenSamples samples_;
  GateTraining training_;
  Listener listener_;
};

TEST_F(TrainedGates, WhatTheLossDoesNotFeelFollowsThePriceAlone) {
  // The columns of down_proj that eight neurons of layer 2 write through become zero.
  std::vector<Layer> layers = model_.layers();
  const ModelConfig& config = model_.config();
  at::Tensor down_DI =
      stored_tensor(model_, 2, *tensor_of_role(config, config.layers[2], Role::kDown)).clone();
  const std::vector<int64_t> silent = {1, 5, 7, 20, 21, 30, 40, 47};
  down_DI.index_fill_(1, at::tensor(silent), 0);
  layers[2].changed[Role::kDown] = down_DI;
  model_ = model_.with_layers(layers);
  training_.budget = 80;
  // Whatever was drawn for their gates, the eight have one and the same course, so they stand side
  // by side in the order, and nothing else holds them open.
  const DamageCurve curve = curves()[2].neurons;
  const auto first = std::ranges::find(curve.order, 1);
  ASSERT_LE(first - curve.order.begin(), 40);
  EXPECT_EQ(std::vector<int32_t>(first, first + 8),
            std::vector<int32_t>(silent.begin(), silent.end()));
  const auto at = static_cast<size_t>(first - curve.order.begin());
  const double open = curve.damage[at + 1] - curve.damage[at];
  for (size_t k = at + 1; k < at + 8; ++k) {
    EXPECT_NEAR(curve.damage[k] - curve.damage[k - 1], open, 1e-12);
  }
  EXPECT_LT(open, 0.9);
  EXPECT_GT(curve.damage[47] - curve.damage[46], open);
}

TEST_F(TrainedGates, CloseAsMuchAsShouldGo) {
  training_.steps = 300;
  training_.budget = 0.4 * (4 * 2 * 10 + 4 * 48);
  const std::vector<LayerCurves> all = curves();
  double open = 0;
  for (const LayerCurves& layer : all) {
    ASSERT_EQ(layer.kv_groups.order.size(), 2u);
    ASSERT_EQ(layer.neurons.order.size(), 48u);
    // Damage is probability times price: rising ever faster, as the order is by probability.
    for (size_t k = 2; k < 48; ++k) {
      const auto& damage = layer.neurons.damage;
      EXPECT_GE(damage[k] - damage[k - 1], damage[k - 1] - damage[k - 2] - 1e-12);
    }
    open += layer.kv_groups.damage.back() + layer.neurons.damage.back();
  }
  EXPECT_NEAR(open / (4 * 2 * 10 + 4 * 48), 0.6, 0.08);
  ASSERT_EQ(listener_.lines.size(), 1u);
  EXPECT_THAT(listener_.lines[0], HasSubstr("target 40.0%"));
  EXPECT_EQ(listener_.steps, 300);
}

TEST_F(TrainedGates, ASeedGivesTheSameGates) {
  training_.budget = 50;
  training_.steps = 10;
  const auto first = curves(), again = curves();
  training_.seed = 1;
  const auto other = curves();
  EXPECT_EQ(first[1].neurons.damage, again[1].neurons.damage);
  EXPECT_NE(first[1].neurons.damage, other[1].neurons.damage);
}

TEST_F(TrainedGates, ABudgetBeyondAllGatesIsRefused) {
  training_.budget = 300;
  EXPECT_THAT(refusal_of([&] { curves(); }),
              HasSubstr("the target is 300 but all gates together cost 272"));
  training_.budget = 4 * 2 * 10 + 4 * 48;
  EXPECT_THROW(curves(), Error);
  samples_.ids = {{3}};
  training_.budget = 10;
  EXPECT_THROW(curves(), Error);
}

}  // namespace
}  // namespace mop::testing
