// The device's way to score tokens, run on the CPU and compared with the CPU's own; and on a GPU
// where there is one.
#include "eval/device_scores.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "eval/validation.h"
#include "kit/gpu.h"
#include "kit/random_model.h"

namespace mop {
namespace {

using ::testing::HasSubstr;
using testing::OnCuda;

constexpr int64_t kTokens = 40, kHidden = 16, kVocab = 50;

GlobalWeights random_globals(c10::Device device, at::ScalarType dtype) {
  const auto draw = [&](at::IntArrayRef shape) { return at::randn(shape).to(device, dtype); };
  return {{}, draw({kHidden}), draw({kVocab, kHidden})};
}

// Two models and what comes next: -1 where nothing is predicted.
struct Case {
  explicit Case(at::ScalarType dtype, c10::Device device = at::kCPU) {
    at::manual_seed(11);
    config.norm_eps = 1e-5;
    dense = random_globals(device, dtype);
    model = random_globals(device, dtype);
    dense_ND = at::randn({kTokens, kHidden}).to(device, dtype);
    model_ND = at::randn({kTokens, kHidden}).to(device, dtype);
    targets_N = at::randint(kVocab, {kTokens}, at::kLong);
    targets_N[7] = -1;
    targets_N[kTokens - 1] = -1;
    rows_R = targets_N.ge(0).nonzero().squeeze(1);
    targets_R = targets_N.index_select(0, rows_R);
  }
  LastHidden dense_last() const { return {dense, config, dense_ND}; }
  LastHidden model_last() const { return {model, config, model_ND}; }
  DevicePredictions predictions() const { return {rows_R, targets_R, kVocab, dense_ND.device()}; }

  ModelConfig config;
  GlobalWeights dense, model;
  at::Tensor dense_ND, model_ND, targets_N, rows_R, targets_R;
};

void expect_near(const Validation& a, const Validation& b, double tolerance) {
  EXPECT_NEAR(a.nll, b.nll, tolerance);
  EXPECT_NEAR(a.kl, b.kl, tolerance);
  EXPECT_NEAR(a.cosine, b.cosine, tolerance);
}

// `there` computes where it lies, `here` on the CPU.
void expect_equal_scores(const Case& there, const Case& here, double tolerance) {
  const at::Tensor rows_RD = here.model_ND.index_select(0, here.rows_R),
                   dense_RD = here.dense_ND.index_select(0, here.rows_R);
  const TokenScores got = token_scores(there.model_last(), there.predictions()),
                    want = token_scores(here.model, here.config, rows_RD, here.targets_R);
  EXPECT_TRUE(at::allclose(got.nll_R, want.nll_R, tolerance, tolerance));
  EXPECT_TRUE(at::equal(got.greedy_R, want.greedy_R));

  const TokenComparison both = compare_token_scores(there.dense_last(), there.model_last(),
                                                    there.predictions()),
                        want_both = compare_token_scores({here.dense, here.config, dense_RD},
                                                         {here.model, here.config, rows_RD},
                                                         here.targets_R);
  EXPECT_TRUE(at::allclose(both.dense.nll_R, want_both.dense.nll_R, tolerance, tolerance));
  EXPECT_TRUE(at::equal(both.dense.greedy_R, want_both.dense.greedy_R));
  EXPECT_TRUE(at::allclose(both.model.nll_R, want_both.model.nll_R, tolerance, tolerance));
  EXPECT_NEAR(both.kl, want_both.kl, kTokens * tolerance);
  EXPECT_EQ(both.agreed, want_both.agreed);

  const LastHidden candidates[] = {there.model_last(), there.dense_last()},
                   here_too[] = {here.model_last(), here.dense_last()};
  const auto sums = compare_tokens(there.dense_last(), candidates, there.predictions());
  const auto want_sums = compare_tokens(here.dense_last(), here_too, here.targets_N);
  ASSERT_EQ(sums.size(), 2u);
  for (size_t c = 0; c < 2; ++c) expect_near(sums[c], want_sums[c], kTokens * tolerance);
}

TEST(DeviceScores, EqualTheCpus) {
  expect_equal_scores(Case(at::kFloat), Case(at::kFloat), 1e-5);
  expect_equal_scores(Case(at::kBFloat16), Case(at::kBFloat16), 1e-4);
}

TEST(DeviceScores, NameTheTokenThatIsNotFinite) {
  Case broken(at::kFloat);
  broken.model_ND[12][3] = NAN;
  const auto expect_refusal = [&](const auto& call) {
    try {
      call();
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("logits at token 12 are not finite"));
    }
  };
  expect_refusal([&] { token_scores(broken.model_last(), broken.predictions()); });
  expect_refusal([&] {
    const LastHidden candidates[] = {broken.dense_last(), broken.model_last()};
    compare_tokens(broken.dense_last(), candidates, broken.predictions());
  });
}

TEST(DeviceScores, RefuseATargetOutsideTheVocabulary) {
  try {
    DevicePredictions(at::tensor({0}, at::kLong), at::tensor({50}, at::kLong), 50, at::kCPU);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("token id 50 is outside the model's vocabulary of 50"));
  }
}

TEST_F(OnCuda, TokenScoresEqualTheCpus) {
  expect_equal_scores(Case(at::kFloat, device()), Case(at::kFloat), 1e-4);
}

TEST_F(OnCuda, ValidationsEqualTheCpusAndEachOther) {
  testing::TempFolder folder;
  testing::write_random_model(folder.path());
  const Model dense = Model::open(folder.path());
  std::vector<Layer> layers = dense.layers();
  layers.erase(layers.begin() + 1);
  const Model shorter = dense.with_layers(layers);
  TokenSamples samples;
  samples.ids = {{1, 5, 9, 13, 60, 61, 3}, {1, 90, 17, 4}, {1, 44}};
  Validator there(dense, samples, {at::kFloat, device()}), here(dense, samples, {});
  const Model* const candidates[] = {&shorter, &dense};
  const auto first = there.validate(candidates), second = there.validate(candidates),
             expected = here.validate(candidates);
  for (size_t c = 0; c < 2; ++c) {
    expect_near(first[c], expected[c], 1e-4);
    expect_near(second[c], first[c], 0);
  }
}

}  // namespace
}  // namespace mop
