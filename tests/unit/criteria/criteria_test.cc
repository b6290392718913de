// tests/unit/criteria/criteria_test.cc -- the table of criteria, on numbers small enough to check
// by hand.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "criteria/criterion.h"
#include "kit/configs.h"
#include "kit/gpu.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Hidden 2, 4 query heads of 2 over 2 KV heads, 3 neurons.
const ModelConfig kTinyGqa = make_config({2, 2, 4, 2, 2, 3, 10});

LayerStats stats_of(Stat stat, std::vector<double> values) {
  LayerStats stats;
  stats.add(stat, at::tensor(values, at::kDouble).unsqueeze(0));
  return stats;
}

at::Tensor score(const std::string& criterion, const LayerStats& stats,
                 const LayerWeights& weights = {}, const Options& options = {}, int64_t layer = 0) {
  return find_criterion(criterion).score(
      {stats, weights, kTinyGqa, kTinyGqa.layers[0], options, layer});
}

TEST(AmpHeads, AveragesTheHeadsOfAGroup) {
  const at::Tensor scores_G = score("amp-heads", stats_of(Stat::kHeadOutputL1, {1, 5, 10, 30}));
  EXPECT_TRUE(at::equal(scores_G, at::tensor({3., 20.}, at::kDouble))) << scores_G;
}

TEST(AmpNeurons, AreTheMeanActivation) {
  const at::Tensor scores_I = score("amp-neurons", stats_of(Stat::kNeuronInputAbs, {3, 1, 2}));
  EXPECT_TRUE(at::equal(scores_I, at::tensor({3., 1., 2.}, at::kDouble)));
}

TEST(AmpNeurons, RefuseStatisticsOfAnotherModel) {
  try {
    score("amp-neurons", stats_of(Stat::kNeuronInputAbs, {1, 2, 3, 4, 5}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("covers 5 units but the layer has 3"));
  }
}

LayerWeights zero_weights() {
  LayerWeights weights;
  for (const LayerTensor* tensor : tensors_of_layer(kTinyGqa, kTinyGqa.layers[0])) {
    std::vector<int64_t> shape;
    for (const Axis axis : tensor->axes)
      shape.push_back(axis_length(axis, kTinyGqa, kTinyGqa.layers[0]));
    weights[tensor->role] = at::zeros(shape);
  }
  return weights;
}

TEST(MagnitudeHeads, AreTheNormOfRowsAndColumnsOfTheGroup) {
  LayerWeights weights = zero_weights();
  weights[Role::kQuery][5][0] = 3;   // query head 2 = group 1
  weights[Role::kOutput][1][7] = 4;  // query head 3 = group 1
  weights[Role::kKey][1][1] = 2;     // KV head 0
  const at::Tensor scores_G = score("magnitude-heads", {}, weights);
  EXPECT_TRUE(at::equal(scores_G, at::tensor({2., 5.}, at::kDouble))) << scores_G;
}

TEST(MagnitudeNeurons, AreTheNormOfRowsAndColumnOfTheNeuron) {
  LayerWeights weights = zero_weights();
  weights[Role::kGate][1][0] = 2;
  weights[Role::kUp][1][1] = 3;
  weights[Role::kDown][0][1] = 6;
  const at::Tensor scores_I = score("magnitude-neurons", {}, weights);
  EXPECT_TRUE(at::equal(scores_I, at::tensor({0., 7., 0.}, at::kDouble))) << scores_I;
}

TEST_F(OnCuda, MagnitudesEqualTheCpus) {
  at::manual_seed(9);
  LayerWeights here = zero_weights(), there;
  for (size_t role = 0; role < here.tensors.size(); ++role) {
    if (!here.tensors[role].defined()) continue;
    here.tensors[role].normal_();
    there.tensors[role] = here.tensors[role].to(device());
  }
  for (const std::string name : {"magnitude-heads", "magnitude-neurons"}) {
    EXPECT_TRUE(at::allclose(score(name, {}, there), score(name, {}, here), 1e-6, 0)) << name;
  }
}

TEST(RandomCriteria, FollowTheSeedAndTheLayer) {
  const Options one("seed", {{"seed", 1}}), two("seed", {{"seed", 2}});
  const at::Tensor scores = score("random-neurons", {}, {}, one);
  EXPECT_TRUE(at::equal(scores, score("random-neurons", {}, {}, one)));
  EXPECT_FALSE(at::equal(scores, score("random-neurons", {}, {}, two)));
  EXPECT_FALSE(at::equal(scores, score("random-neurons", {}, {}, one, 1)));
}

TEST(Criteria, SayWhatTheyNeedTogether) {
  const std::vector<std::string> both = {"amp-heads", "random-heads", "amp-neurons", "amp-heads"};
  EXPECT_THAT(needed_stats(both), ElementsAre(Stat::kHeadOutputL1, Stat::kNeuronInputAbs));
  const std::vector<std::string> none = {"magnitude-heads"};
  EXPECT_THAT(needed_stats(none), IsEmpty());
}

TEST(Criteria, UnknownNamesListTheKnownOnes) {
  try {
    find_criterion("taylor");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("unknown criterion 'taylor'"));
    EXPECT_THAT(error.what(), HasSubstr("known: amp-heads, amp-neurons, magnitude-heads"));
  }
}

// A plug-in: what a program outside adds is used by its name.
TEST(Criteria, CanBeAdded) {
  add_criterion({"first-neurons",
                 "earlier is better",
                 UnitKind::kNeuron,
                 {},
                 [](const ScoreInput& in) { return -at::arange(in.shape.mlp, at::kDouble); },
                 false});
  EXPECT_EQ(score("first-neurons", {})[2].item<double>(), -2);
  EXPECT_THROW(add_criterion(find_criterion("first-neurons")), Error);
}

class ScoreLayers : public ::testing::Test {
 protected:
  ScoreLayers() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }
  std::string refusal(const std::string& criterion, size_t layers = 4) {
    const std::vector<std::string> names = {criterion};
    const std::vector<LayerStats> stats(layers);
    WeightLoader weights(model_, {});
    try {
      score_layers(weights, stats, names, {});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  TempFolder folder_;
  Model model_;
};

TEST_F(ScoreLayers, ScoresEveryLayerByEveryCriterion) {
  std::vector<Layer> layers = model_.layers();
  layers[1].neurons.resize(5);
  const Model narrow = model_.with_layers(layers);
  WeightLoader weights(narrow, {});
  const std::vector<std::string> names = {"magnitude-heads", "random-neurons"};
  const std::vector<LayerStats> stats(4);
  const auto scores = score_layers(weights, stats, names, {});
  ASSERT_EQ(scores.size(), 2u);
  ASSERT_EQ(scores[0].size(), 4u);
  EXPECT_EQ(scores[0][3].numel(), 2);
  EXPECT_EQ(scores[1][1].numel(), 5);
  EXPECT_EQ(scores[1][2].numel(), 48);
}

TEST_F(ScoreLayers, RefusesScoresThatDoNotFit) {
  add_criterion(
      {"too-short", "", UnitKind::kNeuron, {}, [](const ScoreInput&) { return at::zeros({3}); }});
  add_criterion({"nan", "", UnitKind::kNeuron, {}, [](const ScoreInput& in) {
                   return at::full({in.shape.mlp}, NAN);
                 }});
  EXPECT_THAT(refusal("too-short"),
              HasSubstr("returned scores of shape [3] for layer 0 with 48 neurons"));
  EXPECT_THAT(refusal("nan"), HasSubstr("returned a score for layer 0 that is not finite"));
  EXPECT_THAT(refusal("amp-heads"), HasSubstr("'head-output-l1' was not gathered"));
  EXPECT_THAT(refusal("random-heads", 3), HasSubstr("cover 3 layers but the model has 4"));
}

}  // namespace
}  // namespace mop::testing
