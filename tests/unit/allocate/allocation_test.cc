// tests/unit/allocate/allocation_test.cc -- the table of allocations, on counts small enough to
// check by hand.
#include "allocate/allocation.h"

#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "kit/configs.h"
#include "kit/refusal.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNull;

// Three layers of 4 heads and 4 neurons; a neuron costs 24 parameters, a group 64.
ModelConfig small() { return make_config({3, 8, 4, 4, 2, 4, 10}); }
// Four layers of 100 neurons.
ModelConfig wide() { return make_config({4, 8, 4, 4, 2, 100, 10}); }

const std::vector<at::Tensor> kGroups = {at::tensor({1., 50., 60., 70.}),
                                         at::tensor({40., 50., 60., 70.}),
                                         at::tensor({40., 50., 60., 70.})};
const std::vector<at::Tensor> kNeurons = {at::tensor({2., 3., 80., 80.}),
                                          at::tensor({0.5, 90., 90., 90.}),
                                          at::tensor({30., 31., 32., 90.})};

WidthCounts equal(const ModelConfig& config, int64_t groups, int64_t neurons) {
  const auto layers = config.layers.size();
  return {std::vector(layers, groups), std::vector(layers, neurons), {}};
}

WidthCounts spread(const std::string& name, const ModelConfig& config, const WidthCounts& uniform,
                   const GlobalScores& scores, const std::vector<double>& layers = {},
                   const WidthOptions& options = {}) {
  return find_allocation(name).spread({config, uniform, scores, &layers, options});
}

TEST(Allocations, UniformIsTheFirstAndSpreadsNothing) {
  EXPECT_EQ(all_allocations()[0].name, "uniform");
  EXPECT_THAT(find_allocation("uniform").spread, IsNull());
  EXPECT_THROW(find_allocation("fair"), Error);
}

TEST(Mixed, OneListOfGroupsAndNeuronsByScore) {
  // 3 neurons of each layer are 216 parameters: 0.5, 1 (a group), 2, 3, 30, 31 and 32 are 208, and
  // nothing fits into the rest.
  const WidthCounts counts =
      spread("global-mixed", small(), equal(small(), 0, 3), {&kGroups, &kNeurons});
  EXPECT_THAT(counts.kv_groups, ElementsAre(1, 0, 0));
  EXPECT_THAT(counts.neurons, ElementsAre(2, 1, 3));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 216 - 64 - 6 * 24);
}

TEST(PerCost, AGroupWeighsItsParameters) {
  // Scores for each parameter: the group of 1 has 0.016, a group of 40 0.625; neurons 0.02, 0.08,
  // 0.125, and 1.25 and more. So of 216 parameters two groups and 0.5, 2 and 3 take 200.
  const WidthCounts counts =
      spread("global-per-cost", small(), equal(small(), 0, 3), {&kGroups, &kNeurons});
  EXPECT_THAT(counts.kv_groups, ElementsAre(1, 1, 0));
  EXPECT_THAT(counts.neurons, ElementsAre(2, 1, 0));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 16);
}

TEST(PerCost, GroupsStayWhereTheyHaveNoScores) {
  const WidthCounts counts =
      spread("global-per-cost", small(), equal(small(), 0, 1), {nullptr, &kNeurons});
  EXPECT_THAT(counts.kv_groups, ElementsAre(0, 0, 0));
  EXPECT_THAT(counts.neurons, ElementsAre(2, 1, 0));
}

TEST(Owl, IsLinearInTheShareOfOutliersAndKeepsTheMean) {
  // Shares 0, 1/4, 1/4, 1 of 2 * 0.08, less their mean 0.06: kept 0.64, 0.68, 0.68, 0.8.
  const WidthCounts counts =
      spread("owl", wide(), equal(wide(), 0, 30), {}, {0.01, 0.02, 0.02, 0.05});
  EXPECT_THAT(counts.neurons, ElementsAre(36, 32, 32, 20));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 0);
}

TEST(Owl, LayersThatAreAlikeLoseEqually) {
  const WidthCounts counts = spread("owl", wide(), equal(wide(), 1, 30), {}, {3, 3, 3, 3});
  EXPECT_THAT(counts.neurons, ElementsAre(30, 30, 30, 30));
  EXPECT_THAT(counts.kv_groups, ElementsAre(1, 1, 1, 1));
}

TEST(Ecoflap, SharesByScoreWhatIsKeptBeyondAFloor) {
  // Of 400 neurons 280 stay: 60 of each layer, and 40 as 2 to 1 to 1 to 4.
  const WidthCounts counts = spread("ecoflap", wide(), equal(wide(), 0, 30), {}, {2, 1, 1, 4});
  EXPECT_THAT(counts.neurons, ElementsAre(30, 35, 35, 20));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 0);
}

TEST(Ecoflap, WhatAFullLayerCannotTakeGoesToTheOthers) {
  // 90 of 100 stay, at least 80 of each; of the 40 beyond, a layer has room for 20: the last is
  // full, and 20 go as 2 to 1 to 1.
  const WidthCounts counts = spread("ecoflap", wide(), equal(wide(), 0, 10), {}, {2, 1, 1, 40});
  EXPECT_THAT(counts.neurons, ElementsAre(10, 15, 15, 0));
}

TEST(Ecoflap, LayersThatAreAlikeLoseEqually) {
  for (const double score : {0.0, 3.0}) {
    const WidthCounts counts =
        spread("ecoflap", wide(), equal(wide(), 1, 60), {}, std::vector<double>(4, score));
    EXPECT_THAT(counts.neurons, ElementsAre(60, 60, 60, 60));
    EXPECT_THAT(counts.kv_groups, ElementsAre(1, 1, 1, 1));
  }
}

TEST(Ecoflap, AFloorBelowNothingIsNone) {
  // 5 of 100 stay: none has to, and 20 go as 2 to 1 to 1 to 4.
  const WidthCounts counts = spread("ecoflap", wide(), equal(wide(), 0, 95), {}, {2, 1, 1, 4});
  EXPECT_THAT(counts.neurons, ElementsAre(95, 98, 97, 90));
}

TEST(Ecoflap, RefusesScoresBelowZero) {
  EXPECT_THROW(spread("ecoflap", wide(), equal(wide(), 0, 10), {}, {1, 1, -1, 1}), Error);
}

TEST(Cfsp, IsASigmoidOfTheAngleAndLeavesGroupsEqual) {
  const std::vector<double> angles = {0.1, 0.12, 0.12, 0.14};
  const WidthCounts counts = spread("cfsp", wide(), equal(wide(), 1, 50), {}, angles);
  const auto sigmoid = [](double angle) { return 1 / (1 + std::exp(-13.1072 * (angle - 0.12))); };
  // s = 0.4348, 0.5, 0.5, 0.5652 of mean 0.5: kept 43.5, 50, 50, 56.5 of 100.
  EXPECT_NEAR(sigmoid(0.1), 0.4348, 1e-4);
  EXPECT_EQ(counts.neurons[1] + counts.neurons[2], 100);
  EXPECT_NEAR(static_cast<double>(counts.neurons[0]), 100 - 100 * sigmoid(0.1), 0.51);
  EXPECT_EQ(std::accumulate(counts.neurons.begin(), counts.neurons.end(), int64_t{0}), 200);
  EXPECT_THAT(counts.kv_groups, ElementsAre(1, 1, 1, 1));
}

TEST(Cfsp, DeviationsShrinkUntilNoLayerKeepsMoreThanAll) {
  // Kept 0.9 on average, and the last would keep 0.9 * 0.9999 / 0.5.
  const std::vector<double> angles = {0, 0, 0, 0.99};
  const WidthCounts counts = spread("cfsp", wide(), equal(wide(), 0, 10), {}, angles);
  EXPECT_THAT(counts.neurons, ElementsAre(13, 13, 13, 1));
}

TEST(Shares, WholePacksShareOutWhatRounds) {
  WidthOptions options;
  options.shape_multiple = 20;
  const WidthCounts counts =
      spread("owl", wide(), equal(wide(), 0, 30), {}, {0.01, 0.02, 0.02, 0.05}, options);
  EXPECT_THAT(counts.neurons, ElementsAre(40, 40, 20, 20));
}

TEST(Shares, WantAScoreOfEveryLayer) {
  EXPECT_THAT(refusal_of([] {
                spread("owl", wide(), equal(wide(), 0, 30), {}, {1, 2});
              }),
              HasSubstr("needs a score for each of the 4 layers"));
}

}  // namespace
}  // namespace mop::testing
