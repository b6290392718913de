// tests/unit/criteria/loss_scores_test.cc -- criteria that measure losses of changed layers: on a
// loss that is known in closed form, and against the true gradient.
#include "criteria/loss_scores.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/json.h"
#include "gradient/training_pass.h"
#include "kit/configs.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

// Hidden 2, 4 query heads of 2 over 2 KV heads, 6 neurons.
const ModelConfig kSix = make_config({2, 2, 4, 2, 2, 6, 10});

// Two batches, of one and three tokens. A loss that is a sum over weights and missing units, four
// times that in the first batch and nothing in the second: on the mean, the sum itself.
class SumOfParts final : public LayerLosses {
 public:
  SumOfParts() {
    for (const LayerTensor* tensor : tensors_of_layer(kSix, kSix.layers[0])) {
      weights_[tensor->role] = at::zeros({8, 8});
    }
  }
  const LayerWeights& weights() const override { return weights_; }
  int64_t batches() const override { return 2; }
  int64_t predicted(int64_t batch) const override { return batch == 0 ? 1 : 3; }
  double loss(int64_t batch, const LayerWeights& weights, const LayerMask* mask) override {
    double sum = 7 + 3 * weights[Role::kDown][0][0].item<double>() +
                 4 * weights[Role::kQuery][1][2].item<double>();
    if (mask != nullptr && mask->heads_H.defined()) sum += missing(mask->heads_H, {1, 2, 3, 4});
    if (mask != nullptr && mask->neurons_I.defined()) {
      sum += missing(mask->neurons_I, {10, 1, 20, 2, -3, 1});
    }
    return batch == 0 ? 4 * sum : 0;
  }

 private:
  static double missing(const at::Tensor& there_U, const std::vector<double>& costs) {
    return ((1 - there_U.to(at::kDouble)) * at::tensor(costs, at::kDouble)).sum().item<double>();
  }
  LayerWeights weights_;
};

class LossScores : public ::testing::Test {
 protected:
  at::Tensor score(const std::string& criterion, const Json& options = Json::object()) {
    const Options section(criterion, options);
    return find_criterion(criterion).score_losses(
        {losses_, stats_, kSix, kSix.layers[0], section, 0});
  }
  SumOfParts losses_;
  LayerStats stats_;
};

TEST_F(LossScores, MopeOfAGroupIsWhatTheLossRisesByWithoutItsHeads) {
  EXPECT_TRUE(at::allclose(score("mope-heads"), at::tensor({1. + 2., 3. + 4.}, at::kDouble)));
}

TEST_F(LossScores, MopeOfNeuronsIsOfGroupsInOrderOfTheirGradient) {
  // By |gradient|: 1, 3; then 4, 5; then 2, 0. Their going costs 3, -2 and 30.
  stats_.add_sum(Stat::kNeuronGate, at::tensor({-6., 1., 5., 2., 3., -4.}, at::kDouble), 1);
  const at::Tensor scores_I = score("mope-neurons", {{"groups", 3}});
  EXPECT_TRUE(at::allclose(scores_I, at::tensor({15., 1.5, 15., 1.5, -1., -1.}, at::kDouble)))
      << scores_I;
  // Inside a group the smaller gradient goes first.
  EXPECT_TRUE(at::equal(scores_I.argsort(), at::tensor({4, 5, 1, 3, 2, 0}, at::kLong)))
      << scores_I.argsort();
}

TEST_F(LossScores, MopeHasAsManyGroupsAsNeuronsAtMost) {
  stats_.add_sum(Stat::kNeuronGate, at::tensor({1., 2., 3., 4., 5., 6.}, at::kDouble), 1);
  EXPECT_TRUE(
      at::allclose(score("mope-neurons"), at::tensor({10., 1., 20., 2., -3., 1.}, at::kDouble)));
  EXPECT_THROW(score("mope-neurons", {{"groups", 0}}), Error);
}

TEST_F(LossScores, EcoflapIsTheMeanSlopeOfBatchesSummedOverMatrices) {
  // Slopes of batch 0 are 12 and 16, times the mean of |z|; of batch 1 none.
  const double expected = (12 + 16) / 2. * std::sqrt(2 / std::numbers::pi);
  const Json many = {{"noises", 3000}};
  EXPECT_NEAR(score("ecoflap-layers", many).item<double>(), expected, 0.03 * expected);
}

TEST_F(LossScores, EcoflapIsDrawnByItsSeedAndLeavesTheWeights) {
  const auto with_seed = [&](int64_t seed) {
    return score("ecoflap-layers", {{"seed", seed}}).item<double>();
  };
  EXPECT_EQ(with_seed(1), with_seed(1));
  EXPECT_NE(with_seed(1), with_seed(2));
  EXPECT_TRUE(at::equal(losses_.weights()[Role::kDown], at::zeros({8, 8})));
  EXPECT_THROW(score("ecoflap-layers", {{"eps", 0}}), Error);
}

// 4 layers whose matrices are 1, 2, 3 and 4 times what was drawn: their gradients differ.
class EcoflapOfAModel : public ::testing::Test {
 protected:
  EcoflapOfAModel() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
    std::vector<Layer> layers = model_.layers();
    for (int64_t i = 0; i < 4; ++i) {
      for (const LayerTensor* tensor : matrices(i)) {
        layers[static_cast<size_t>(i)].changed[tensor->role] =
            stored_tensor(model_, i, *tensor) * static_cast<double>(i + 1);
      }
    }
    model_ = model_.with_layers(layers);
    at::manual_seed(5);
    for (int64_t i = 0; i < 8; ++i) {
      const at::Tensor ids = at::randint(1, 96, {20}, at::kLong);
      samples_.ids.emplace_back(ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + 20);
    }
  }

  std::vector<const LayerTensor*> matrices(int64_t layer) const {
    const ModelConfig& config = model_.config();
    auto tensors = tensors_of_layer(config, config.layers[static_cast<size_t>(layer)]);
    std::erase_if(tensors, [](const LayerTensor* tensor) { return tensor->axes.size() != 2; });
    return tensors;
  }

  // The lengths of the mean loss's gradients by each layer's matrices, summed.
  std::vector<double> gradients() const {
    const ModelConfig& config = model_.config();
    std::vector<ParameterSpec> specs;
    for (const GlobalTensor* tensor : global_tensors(config)) {
      specs.push_back({.name = std::string(tensor->name),
                       .global = tensor->role,
                       .initial = stored_global(model_, *tensor)});
    }
    for (int64_t i = 0; i < 4; ++i) {
      for (const LayerTensor* tensor :
           tensors_of_layer(config, config.layers[static_cast<size_t>(i)])) {
        specs.push_back({.name = std::string(tensor->suffix),
                         .layer = i,
                         .role = tensor->role,
                         .initial = stored_tensor(model_, i, *tensor)});
      }
    }
    Parameters parameters(specs, {});
    parameters.gradients_P().zero_();
    TrainingPass pass(model_, {}, parameters, {});
    TrainingPiece piece;
    std::vector<int64_t> all;
    for (const auto& ids : samples_.ids) {
      piece.packing.lengths.push_back(20);
      all.insert(all.end(), ids.begin(), ids.end());
    }
    piece.ids_N = at::tensor(all, at::kLong);
    piece.targets_N = piece.ids_N.roll(-1);
    piece.weights_N = at::full({160}, 1 / 152.).to(at::kFloat);
    piece.weights_N.view({8, 20}).select(1, 19).zero_();
    pass.add_gradients(piece, 0);
    std::vector<double> lengths(4, 0);
    for (size_t p = 0; p < parameters.count(); ++p) {
      const at::Tensor gradient = parameters.gradient(p);
      if (parameters.spec(p).layer < 0 || gradient.dim() != 2) continue;
      lengths[static_cast<size_t>(parameters.spec(p).layer)] += gradient.norm().item<double>();
    }
    return lengths;
  }

  TempFolder folder_;
  Model model_;
  TokenSamples samples_;
};

TEST_F(EcoflapOfAModel, FollowsTheTrueGradientAndLeavesTheModelAsItWas) {
  const at::Tensor before = stored_tensor(model_, 2, *matrices(2)[0]).clone();
  const std::vector<std::string> criteria = {"ecoflap-layers"};
  const std::vector<LayerStats> stats(4);
  const std::map<std::string, Options> settings = {
      {"ecoflap-layers", Options("ecoflap-layers", {{"noises", 24}})}};
  const auto scores =
      score_losses(model_, {}, samples_, criteria, stats, settings, silent_progress())
          .at("ecoflap-layers");
  const std::vector<double> expected = gradients();
  // The mean of |z g| of a normal z is the length of g times sqrt(2 / pi).
  for (size_t i = 0; i < 4; ++i) {
    const double mean = expected[i] * std::sqrt(2 / std::numbers::pi);
    EXPECT_NEAR(scores[i].item<double>(), mean, 0.2 * mean) << i;
  }
  EXPECT_GT(std::abs(expected[0] / expected[3] - 1), 0.3);  // something to follow
  EXPECT_TRUE(at::equal(stored_tensor(model_, 2, *matrices(2)[0]), before));
}

}  // namespace
}  // namespace mop::testing
