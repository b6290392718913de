// tests/unit/criteria/published_test.cc -- the criteria of other papers, on numbers small enough to
// check by hand.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/json.h"
#include "criteria/criterion.h"
#include "kit/configs.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

// Hidden 2, 4 query heads of 2 over 2 KV heads, 3 neurons: 8 channels enter o_proj, 4 a group.
const ModelConfig kTiny = make_config({2, 2, 4, 2, 2, 3, 10});
const std::vector<double> kChannels = {1, 1, 1, 1, 4, 4, 4, 4};

LayerWeights weights() {
  LayerWeights w;
  w[Role::kOutput] = at::ones({2, 8});
  w[Role::kDown] = at::tensor({1., -2., 0., 3., 2., 4.}, at::kFloat).view({2, 3});
  w[Role::kUp] = at::tensor({1., 1., 0., -2., 3., 0.}, at::kFloat).view({3, 2});
  w[Role::kGate] = at::tensor({0., 1., 1., 1., 2., 2.}, at::kFloat).view({3, 2});
  return w;
}

class Published : public ::testing::Test {
 protected:
  void gathered(Stat stat, const std::vector<double>& values) {
    stats_.add_sum(stat, at::tensor(values, at::kDouble) * 10, 10);
  }
  at::Tensor score(const std::string& criterion, const Json& options = Json::object()) const {
    const Options section(criterion, options);
    return find_criterion(criterion).score({stats_, weights(), kTiny, kTiny.layers[0], section, 0});
  }
  void expect(const at::Tensor& scores, const std::vector<double>& expected) const {
    EXPECT_TRUE(at::allclose(scores, at::tensor(expected, at::kDouble), 1e-6, 1e-12)) << scores;
  }
  LayerStats stats_;
};

TEST_F(Published, WandaSpIsTheMeanWeightOfAColumnTimesTheNormOfItsInput) {
  gathered(Stat::kNeuronSquare, {4, 9, 0.25});
  gathered(Stat::kHeadChannelSquare, kChannels);
  expect(score("wanda-sp-neurons"), {2 * 2, 2 * 3, 2 * 0.5});
  expect(score("wanda-sp-heads"), {4 * 1, 4 * 2});
}

TEST_F(Published, FaspSumsWhereWandaSpTakesTheMean) {
  gathered(Stat::kNeuronSquare, {4, 9, 0.25});
  gathered(Stat::kHeadChannelSquare, kChannels);
  expect(score("fasp-neurons"), {4 * 2, 4 * 3, 4 * 0.5});
  expect(score("fasp-heads"), {8 * 1, 8 * 2});
}

TEST_F(Published, FlapIsTheVarianceTimesTheSquareOfTheColumn) {
  gathered(Stat::kNeuronMean, {1, 2, 0});
  gathered(Stat::kNeuronSquare, {1, 8, 2});  // variances 0, 4, 2; squares of columns 10, 8, 16
  expect(score("flap-neurons", {{"standardize", false}}), {0, 32, 32});
  // Mean 64/3, deviation 32/sqrt(3).
  expect(score("flap-neurons"), {-2 / std::sqrt(3), 1 / std::sqrt(3), 1 / std::sqrt(3)});
}

TEST_F(Published, FlapSquaresTheMetricOfHeadsAndTakesTheMeanOfTheirChannels) {
  gathered(Stat::kHeadChannelMean, {0, 0, 0, 0, 1, 1, 1, 1});
  gathered(Stat::kHeadChannelSquare, {1, 1, 1, 1, 3, 3, 3, 3});  // variances 1 and 2, columns 2
  expect(score("flap-heads", {{"standardize", false}}), {4, 16});
  expect(score("flap-heads"), {-6 / std::sqrt(8 * 36 / 7.), 6 / std::sqrt(8 * 36 / 7.)});
}

TEST_F(Published, EnergyIsTheMeanSquareOfWhatAUnitAdds) {
  gathered(Stat::kNeuronSquare, {4, 9, 0.25});
  gathered(Stat::kGroupOutputSquare, {3, 7});
  expect(score("energy-neurons"), {10 * 4, 8 * 9, 16 * 0.25});
  expect(score("energy-heads"), {3, 7});
}

TEST_F(Published, TaylorIsTheSizeOfTheGatesGradientAndALayerTheSumOfItsUnits) {
  gathered(Stat::kNeuronGate, {-3, 1, 2});
  gathered(Stat::kGroupGate, {0.5, -4});
  expect(score("taylor-neurons"), {3, 1, 2});
  expect(score("taylor-heads"), {0.5, 4});
  expect(score("taylor-layers"), {10.5});
}

TEST_F(Published, FisherIsTheMeanSquareOfThePromptsGradients) {
  gathered(Stat::kNeuronGateSquare, {9, 1, 4});
  gathered(Stat::kGroupGateSquare, {0.25, 16});
  expect(score("fisher-neurons"), {9, 1, 4});
  expect(score("fisher-heads"), {0.25, 16});
}

TEST_F(Published, CfspsRelativeWeightsCancelUnlessTheyAreLeftOut) {
  gathered(Stat::kNeuronSquare, {4, 9, 0.25});
  expect(score("cfsp-neurons"), {1.5 * 2, 1.5 * 3, 1.5 * 0.5});
  // (sum |down| * a + sum |up| + sum |gate|) * a / 2, with a = 2, 3, 1/2.
  expect(score("cfsp-neurons", {{"relative", false}}),
         {(8 + 2 + 1) * 2 / 2., (12 + 2 + 2) * 3 / 2., (2 + 3 + 4) * 0.5 / 2});
}

TEST_F(Published, MinitronIsTheNormOfTheResponses) {
  gathered(Stat::kNeuronResponse, {4, 9, 0.25});
  gathered(Stat::kHeadChannelResponse, kChannels);
  expect(score("minitron-neurons"), {2, 3, 0.5});
  expect(score("minitron-heads"), {2, 4});
}

TEST_F(Published, MinitronAddsUpBothNormsOfAHiddenChannel) {
  gathered(Stat::kAttentionChannelResponse, {4, 9});
  gathered(Stat::kMlpChannelResponse, {1, 0.25});
  expect(score("minitron-hidden"), {2 + 1, 3 + 0.5});
}

TEST_F(Published, EnergyOfAHiddenChannelIsItsShareBehindTheProjectionsThatReadIt) {
  gathered(Stat::kAttentionChannelSquare, {1, 3});
  gathered(Stat::kMlpChannelSquare, {2, 1});
  LayerWeights w = weights();
  w[Role::kQuery] = at::ones({8, 2});
  w[Role::kKey] = w[Role::kValue] = at::ones({4, 2});
  // Squares of the columns: 16 and 16, 15 and 11.
  const Criterion& row = find_criterion("energy-hidden");
  expect(row.score({stats_, w, kTiny, kTiny.layers[0], {}, 0}),
         {1 / 4. + 30 / 41., 3 / 4. + 11 / 41.});
}

TEST_F(Published, MagnitudeOfAHiddenChannelIsTheNormOfItsWeightsInTheLayer) {
  LayerWeights all;
  for (const LayerTensor* tensor : tensors_of_layer(kTiny, kTiny.layers[0])) {
    all[tensor->role] = at::full(axis_lengths(tensor->axes, kTiny, kTiny.layers[0]), -2.f);
  }
  // 8 of q and of o, 4 of k and of v, three times 3, two norms: 35 entries of 2.
  const Criterion& row = find_criterion("magnitude-hidden");
  expect(row.score({stats_, all, kTiny, kTiny.layers[0], {}, 0}), {std::sqrt(140), std::sqrt(140)});
}

TEST_F(Published, LayersAreScoredByWhatTheyChange) {
  gathered(Stat::kLayerDistance, {0.25});
  gathered(Stat::kLayerAngle, {0.125});
  expect(score("block-influence"), {0.25});
  expect(score("cfsp-layers"), {0.125});
}

TEST_F(Published, OwlCountsWhatIsFarBeyondTheMean) {
  gathered(Stat::kHeadChannelSquare, std::vector<double>(8, 1));
  gathered(Stat::kNeuronSquare, {1, 1, 100});
  // o_proj: 16 ones. down_proj: 1, 2, 0 and 3, 2, 40. The mean of all 22 is 64/22: one is beyond
  // 5.5 times it, though not beyond 5.5 times the mean of down_proj, 8.
  expect(score("owl-layers", {{"outlier", 5.5}}), {1 / 22.});
  expect(score("owl-layers", {{"outlier", 14}}), {0});
}

TEST_F(Published, MagnitudeOfALayerIsTheSumOfItsMatrices) {
  LayerWeights all;
  for (const LayerTensor* tensor : tensors_of_layer(kTiny, kTiny.layers[0])) {
    all[tensor->role] = at::full(axis_lengths(tensor->axes, kTiny, kTiny.layers[0]), -2.f);
  }
  // q and o 16 each, k and v 8 each, three of 6: 66 weights; norms do not count.
  expect(find_criterion("magnitude-layers").score({stats_, all, kTiny, kTiny.layers[0], {}, 0}),
         {132});
}

TEST(Obs, IsTheErrorThatRepairLeaves) {
  // A = (G + 1 * I)^-1 with mean(diag G) = 1.
  const HalfLayerMoments alone{
      .layer = 0, .half = Half::kMlp, .gram_KK = at::eye(3), .gradients_DD = {}, .tokens = 100};
  const Options damped("obs-neurons", {{"damping", 1}});
  const at::Tensor down_DK = weights()[Role::kDown];
  const at::Tensor scores =
      find_criterion("obs-neurons").score_moments({alone, down_DK, kTiny.layers[0], damped});
  EXPECT_TRUE(at::allclose(scores, at::tensor({10., 8., 16.}, at::kDouble))) << scores;

  // Twins replace each other: almost nothing is lost.
  at::Tensor gram_KK = at::eye(3);
  gram_KK[0][1] = gram_KK[1][0] = 1;
  const HalfLayerMoments twins{
      .layer = 0, .half = Half::kMlp, .gram_KK = gram_KK, .gradients_DD = {}, .tokens = 100};
  const Options little("obs-neurons", {{"damping", 1e-6}});
  const at::Tensor of_twins =
      find_criterion("obs-neurons").score_moments({twins, down_DK, kTiny.layers[0], little});
  EXPECT_LT(of_twins[0].item<double>(), 1e-4);
  EXPECT_LT(of_twins[1].item<double>(), 1e-4);
  EXPECT_NEAR(of_twins[2].item<double>(), 8, 1e-4);
}

TEST(Obs, AGroupIsItsChannelsTogether) {
  const HalfLayerMoments moments{.layer = 0,
                                 .half = Half::kAttention,
                                 .gram_KK = at::eye(8),
                                 .gradients_DD = {},
                                 .tokens = 100};
  const Options damped("obs-heads", {{"damping", 1}});
  const at::Tensor scores =
      find_criterion("obs-heads")
          .score_moments({moments, weights()[Role::kOutput], kTiny.layers[0], damped});
  EXPECT_TRUE(at::allclose(scores, at::tensor({8., 8.}, at::kDouble))) << scores;
}

}  // namespace
}  // namespace mop::testing
