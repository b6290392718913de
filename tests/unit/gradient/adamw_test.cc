#include "gradient/adamw.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"

namespace mop {
namespace {

Parameters two_parameters() {
  ParameterSpec matrix{"matrix"}, vector{"vector"};
  matrix.initial = at::tensor({1.f, 2.f}).view({1, 2});
  vector.initial = at::tensor({3.f});
  vector.decays = false;
  return Parameters({vector, matrix}, Compute{});
}

TEST(AdamW, TheFirstStepMovesByTheRateAgainstTheSign) {
  Parameters parameters = two_parameters();
  parameters.gradients_P().copy_(at::tensor({0.5f, -0.25f, 0.f}));
  AdamW adamw(parameters, {.clip = 0});
  EXPECT_NEAR(adamw.step(0.1), std::sqrt(0.3125), 1e-6);
  EXPECT_TRUE(at::allclose(parameters.values_P(), at::tensor({0.9f, 2.1f, 3.f})))
      << parameters.values_P();
  EXPECT_EQ(parameters.gradients_P().abs().sum().item<float>(), 0);
}

TEST(AdamW, WeightDecayLeavesVectorsAlone) {
  Parameters parameters = two_parameters();
  AdamW adamw(parameters, {.weight_decay = 0.5});
  adamw.step(0.1);
  EXPECT_TRUE(at::allclose(parameters.values_P(), at::tensor({0.95f, 1.9f, 3.f})))
      << parameters.values_P();
}

TEST(AdamW, ClipsByTheNormOfAllGradientsTogether) {
  Parameters a = two_parameters(), b = two_parameters();
  AdamW one(a, {.epsilon = 1}), other(b, {.epsilon = 1, .clip = 0});
  a.gradients_P().copy_(at::tensor({6.f, 0.f, 8.f}));
  b.gradients_P().copy_(at::tensor({0.6f, 0.f, 0.8f}));
  EXPECT_NEAR(one.step(0.1), 10, 1e-5);
  other.step(0.1);
  EXPECT_TRUE(at::allclose(a.values_P(), b.values_P(), 1e-5)) << a.values_P() << b.values_P();
}

TEST(AdamW, DoesNothingWhenTheGradientIsNotFinite) {
  Parameters parameters = two_parameters();
  const at::Tensor before_P = parameters.values_P().clone();
  parameters.gradients_P().fill_(std::numeric_limits<float>::quiet_NaN());
  AdamW adamw(parameters, {});
  EXPECT_TRUE(std::isnan(adamw.step(0.1)));
  EXPECT_TRUE(at::equal(parameters.values_P(), before_P));
  EXPECT_EQ(adamw.steps, 0);
}

TEST(Schedule, WarmsUpAndFalls) {
  const Schedule& linear = find_schedule("linear");
  EXPECT_DOUBLE_EQ(learning_rate_factor(linear, 0, 0), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(linear, 0, 0.75), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate_factor(linear, 0.2, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor(linear, 0.2, 0.6), 0.5);
  EXPECT_NEAR(learning_rate_factor(find_schedule("cosine"), 0, 0.5), 0.5, 1e-12);
}

TEST(Schedule, UnknownNamesListTheKnownOnes) {
  try {
    find_schedule("square");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("known: linear, cosine, constant"));
  }
}

}  // namespace
}  // namespace mop
