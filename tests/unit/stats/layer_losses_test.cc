// tests/unit/stats/layer_losses_test.cc -- losses of changed layers, against the model that is
// changed and run whole.
#include "stats/layer_losses.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <set>

#include "base/error.h"
#include "kit/random_model.h"
#include "unit/stats/random_prompts.h"

namespace mop::testing {
namespace {

class LayerLossesOf : public ::testing::Test {
 protected:
  // 4 layers, hidden 32, 4 heads of 8 over 2 KV heads, 48 neurons.
  LayerLossesOf() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }

  // Mean over the tokens of these prompts but each one's first; ids behind 95 are not predicted.
  double plain_loss(const Model& model, const TokenSamples& samples,
                    const ForwardOptions& options = {}) {
    WeightLoader weights(model, {});
    double sum = 0, count = 0;
    for (const auto& ids : samples.ids) {
      const at::Tensor ids_N = at::tensor(ids, at::kLong);
      const at::Tensor hidden_ND = run_layers(weights, ids_N, {{std::ssize(ids)}}, options);
      const at::Tensor log_NV =
          at::log_softmax(logits(weights.globals(), model.config(), hidden_ND).to(at::kDouble), 1);
      for (size_t i = 1; i < ids.size(); ++i) {
        if (ids[i] >= 96) continue;
        sum -= log_NV[static_cast<int64_t>(i) - 1][ids[i]].item<double>();
        ++count;
      }
    }
    return sum / count;
  }

  void walk(const TokenSamples& samples, const std::function<void(int64_t, LayerLosses&)>& visit) {
    walk_layer_losses(model_, {}, samples, 2, visit);
  }

  TempFolder folder_;
  Model model_;
  const TokenSamples samples_ = random_prompts({5, 17, 9});
};

TEST_F(LayerLossesOf, LayersAsTheyAreHaveTheModelsLoss) {
  std::set<int64_t> visited;
  const double expected = plain_loss(model_, samples_);
  walk(samples_, [&](int64_t layer, LayerLosses& losses) {
    visited.insert(layer);
    EXPECT_EQ(losses.batches(), 2);
    EXPECT_EQ(losses.predicted(0), 4 + 16);
    EXPECT_EQ(losses.predicted(1), 8);
    EXPECT_NEAR(mean_loss(losses, losses.weights()), expected, 1e-6);
  });
  EXPECT_EQ(visited, (std::set<int64_t>{0, 1, 2, 3}));
}

TEST_F(LayerLossesOf, AChangedLayerHasTheChangedModelsLossAndChangesNothing) {
  walk(samples_, [&](int64_t layer, LayerLosses& losses) {
    const at::Tensor before = losses.weights()[Role::kDown].clone();
    LayerWeights changed = losses.weights();
    changed[Role::kDown] = changed[Role::kDown] * 3;
    const double loss = mean_loss(losses, changed);
    std::vector<Layer> layers = model_.layers();
    layers[static_cast<size_t>(layer)].changed[Role::kDown] = changed[Role::kDown];
    EXPECT_NEAR(loss, plain_loss(model_.with_layers(layers), samples_), 1e-6);
    EXPECT_GT(std::abs(loss - mean_loss(losses, losses.weights())), 1e-5);
    EXPECT_TRUE(at::equal(losses.weights()[Role::kDown], before));
  });
}

TEST_F(LayerLossesOf, AMaskedUnitIsMissing) {
  walk(samples_, [&](int64_t layer, LayerLosses& losses) {
    LayerMask mask;
    mask.heads_H = at::tensor({1.f, 1.f, 0.f, 0.f});
    ForwardOptions options;
    options.mask = [&](int64_t i) { return i == layer ? &mask : nullptr; };
    EXPECT_NEAR(mean_loss(losses, losses.weights(), &mask), plain_loss(model_, samples_, options),
                1e-6);
  });
}

TEST_F(LayerLossesOf, PicturesAreSeenAndNotPredicted) {
  TokenSamples samples = samples_;
  samples.ids[1][3] = 96;
  samples.ids[1][4] = 97;
  model_ = model_.with_input_rows(at::ones({2, 32}) * 0.05);
  const double expected = plain_loss(model_, samples);
  walk(samples, [&](int64_t, LayerLosses& losses) {
    EXPECT_EQ(losses.predicted(0), 4 + 14);
    EXPECT_NEAR(mean_loss(losses, losses.weights()), expected, 1e-6);
  });
}

TEST_F(LayerLossesOf, SamplesOfOneTokenAreRefused) {
  EXPECT_THROW(walk(random_prompts({1, 1}), [](int64_t, LayerLosses&) {}), Error);
}

}  // namespace
}  // namespace mop::testing
