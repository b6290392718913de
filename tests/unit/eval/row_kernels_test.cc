// Rows of logits small enough to check by hand, then rows of a real vocabulary against LibTorch.
#include "eval/row_kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mop {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

at::Tensor random_logits(int64_t rows, int64_t vocab, double scale, at::ScalarType dtype) {
  at::manual_seed(7);
  return (at::randn({rows, vocab}) * scale).to(dtype);
}

at::Tensor reference_nll(const at::Tensor& logits_RV, const at::Tensor& targets_R) {
  const at::Tensor log_p_RV = logits_RV.to(at::kDouble).log_softmax(1);
  return -log_p_RV.gather(1, targets_R.unsqueeze(1)).squeeze(1).to(at::kFloat);
}

TEST(RowNll, IsMinusTheLogOfTheTargetsShare) {
  // exp gives 1, 2, 5: shares 1/8, 2/8, 5/8.
  const at::Tensor logits_RV = at::log(at::tensor({1.f, 2.f, 5.f})).unsqueeze(0).repeat({3, 1});
  const at::Tensor nll_R = row_nll(logits_RV, at::tensor({0, 1, 2}, at::kLong));
  EXPECT_NEAR(nll_R[0].item<float>(), std::log(8.), 1e-6);
  EXPECT_NEAR(nll_R[1].item<float>(), std::log(4.), 1e-6);
  EXPECT_NEAR(nll_R[2].item<float>(), std::log(1.6), 1e-6);
}

TEST(RowNll, SharesTiesEqually) {
  const at::Tensor logits_RV = at::full({1, 33}, 4.f);
  EXPECT_NEAR(row_nll(logits_RV, at::tensor({32}, at::kLong)).item<float>(), std::log(33.), 1e-6);
}

TEST(RowNll, OfEqualMaximaOnlyTheFirstIsGreedyAsArgmax) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor logits_RV =
        at::tensor({1.f, 4.f, 4.f, 2.f}).unsqueeze(0).repeat({4, 1}).contiguous().to(dtype);
    const at::Tensor greedy_R = row_scores(logits_RV, at::arange(4, at::kLong)).greedy_R;
    EXPECT_TRUE(at::equal(greedy_R, at::tensor({0, 1, 0, 0}).to(at::kBool))) << dtype;
  }
}

TEST(RowNll, IgnoresWhatMinusInfinityRulesOut) {
  const at::Tensor logits_RV = at::tensor({0.f, -kInf, 0.f, -kInf}).unsqueeze(0);
  EXPECT_NEAR(row_nll(logits_RV, at::tensor({2}, at::kLong)).item<float>(), std::log(2.), 1e-6);
}

TEST(RowNll, SurvivesLogitsWhoseExponentialOverflows) {
  const at::Tensor logits_RV = at::tensor({1000.f, 999.f, -1000.f}).unsqueeze(0);
  EXPECT_NEAR(row_nll(logits_RV, at::tensor({1}, at::kLong)).item<float>(),
              1. + std::log1p(std::exp(-1.)), 1e-4);
}

TEST(RowNll, GivesNanForRowsWithoutADistribution) {
  const at::Tensor nan_row = at::tensor({0.f, NAN, 1.f}), inf_row = at::tensor({0.f, kInf, 1.f});
  const at::Tensor logits_RV = at::stack({nan_row, inf_row, at::full({3}, -kInf)});
  EXPECT_TRUE(row_nll(logits_RV, at::zeros({3}, at::kLong)).isnan().all().item<bool>());
}

TEST(RowNll, EqualsLibTorchOnRealVocabulariesInEveryType) {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const int64_t vocab : {1, 15, 2048, 32003}) {
      const at::Tensor logits_RV = random_logits(9, vocab, 6., dtype);
      const at::Tensor targets_R = at::randint(vocab, {9}, at::kLong);
      const at::Tensor want_R = reference_nll(logits_RV, targets_R);
      EXPECT_TRUE(at::allclose(row_nll(logits_RV, targets_R), want_R, 1e-6, 4e-6))
          << dtype << " " << vocab;
    }
  }
}

TEST(RowKl, IsTheExpectedLogRatio) {
  const at::Tensor p_RV = at::log(at::tensor({0.5f, 0.25f, 0.25f})).unsqueeze(0);
  const at::Tensor q_RV = at::log(at::tensor({0.25f, 0.25f, 0.5f})).unsqueeze(0) + 3.f;
  EXPECT_NEAR(row_kl(p_RV, q_RV).item<float>(), 0.25 * std::log(2.), 1e-6);
}

TEST(RowKl, IsZeroAgainstItself) {
  const at::Tensor p_RV = random_logits(4, 5000, 5., at::kBFloat16);
  EXPECT_EQ(row_kl(p_RV, p_RV).abs().max().item<float>(), 0.f);
}

TEST(RowKl, EqualsLibTorchInEveryType) {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor p_RV = random_logits(5, 32003, 4., dtype);
    const at::Tensor q_RV = (p_RV.to(at::kFloat) + at::randn(p_RV.sizes())).to(dtype);
    const at::Tensor log_p = p_RV.to(at::kDouble).log_softmax(1);
    const at::Tensor log_q = q_RV.to(at::kDouble).log_softmax(1);
    const at::Tensor want_R = (log_p.exp() * (log_p - log_q)).sum(1).to(at::kFloat);
    EXPECT_TRUE(at::allclose(row_kl(p_RV, q_RV), want_R, 1e-5, 1e-5)) << dtype;
  }
}

}  // namespace
}  // namespace mop
