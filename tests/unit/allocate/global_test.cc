// tests/unit/allocate/global_test.cc -- units go where the scores of the whole model are lowest.
#include "allocate/global.h"

#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/configs.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Three layers of 4 heads and 4 neurons; a neuron costs 24 parameters, a group 64.
ModelConfig config() { return make_config({3, 8, 4, 4, 2, 4, 10}); }

const std::vector<at::Tensor> kNeuronScores = {
    at::tensor({9., 1., 2., 8.}), at::tensor({3., 4., 5., 6.}), at::tensor({7., 7., 7., 7.})};

WidthCounts uniform(int64_t groups, int64_t neurons) {
  return {{groups, groups, groups}, {neurons, neurons, neurons}, {}};
}

TEST(Global, TakesTheLowestOfTheWholeModel) {
  // Six in all: 1, 2 | 3, 4, 5 | and 7 of the third layer, for 6 is the second layer's last.
  const WidthCounts counts =
      spread_by_score(config(), uniform(0, 2), {nullptr, &kNeuronScores}, WidthOptions());
  EXPECT_THAT(counts.neurons, ElementsAre(2, 3, 1));
  EXPECT_THAT(counts.kv_groups, ElementsAre(0, 0, 0));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 0);
}

TEST(Global, EveryLayerKeepsTheMinimumOfGroups) {
  const std::vector<at::Tensor> low_first = {
      at::tensor({0., 0., 0., 0.}), at::tensor({1., 1., 1., 1.}), at::tensor({2., 2., 2., 2.})};
  WidthOptions options;
  options.min_kv_groups = 2;
  const WidthCounts counts =
      spread_by_score(config(), uniform(1, 0), {&low_first, nullptr}, options);
  EXPECT_THAT(counts.kv_groups, ElementsAre(2, 1, 0));
}

TEST(Global, PacksKeepMultiplesAndWhatDoesNotFitIsOwed) {
  WidthOptions options;
  options.shape_multiple = 2;
  // Means of pairs: 1.5, 8.5 | 3.5, 5.5 | 7, 7. Five neurons are asked for, two pairs fit.
  WidthCounts five = uniform(0, 1);
  five.neurons = {2, 2, 1};
  const WidthCounts counts = spread_by_score(config(), five, {nullptr, &kNeuronScores}, options);
  EXPECT_THAT(counts.neurons, ElementsAre(2, 2, 0));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 24);
}

TEST(Global, AnOddWidthFirstComesDownToAMultiple) {
  ModelConfig odd = config();
  odd.layers[0].mlp = 5;
  std::vector<at::Tensor> scores = kNeuronScores;
  scores[0] = at::tensor({0., 9., 9., 9., 9.});
  WidthOptions options;
  options.shape_multiple = 2;
  WidthCounts one = uniform(0, 0);
  one.neurons = {1, 0, 0};
  EXPECT_THAT(spread_by_score(odd, one, {nullptr, &scores}, options).neurons, ElementsAre(1, 0, 0));
}

TEST(Global, RefusesScoresOfAnotherModel) {
  const std::vector<at::Tensor> other = {kNeuronScores[0], kNeuronScores[1], at::tensor({1.})};
  try {
    spread_by_score(config(), uniform(0, 1), {nullptr, &other}, WidthOptions());
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("1 scores for the 4 units of layer 2"));
  }
}

}  // namespace
}  // namespace mop::testing
