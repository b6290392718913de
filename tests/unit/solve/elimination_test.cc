// tests/unit/solve/elimination_test.cc -- against the problem itself, solved anew for every set.
#include "solve/elimination.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Inputs with correlations and very different sizes, a gradient covariance of low rank.
Elimination random_problem(int64_t outputs, int64_t inputs, int64_t tokens, uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor mix = at::randn({inputs / 2, inputs}, at::kDouble);
  const at::Tensor sizes = at::logspace(-1.5, 0.5, inputs, 10.0, at::kDouble);
  const at::Tensor order = at::randperm(inputs);
  const at::Tensor x_NK = (at::randn({tokens, inputs / 2}, at::kDouble).mm(mix) +
                           at::randn({tokens, inputs}, at::kDouble)) *
                          sizes.index_select(0, order);
  const at::Tensor g_ND =
      at::randn({tokens, outputs}, at::kDouble) * at::logspace(-2, 0, outputs, 10.0, at::kDouble);
  Elimination problem;
  problem.gram_KK = x_NK.t().mm(x_NK) / tokens;
  problem.weights_DK = at::randn({outputs, inputs}, at::kDouble);
  problem.sensitivity_DD = g_ND.t().mm(g_ND) / tokens;
  return problem;
}

at::Tensor damped(const Elimination& p) {
  const at::Tensor gram = p.gram_KK.to(at::kDouble);
  return gram + at::eye(gram.size(0), at::kDouble) * gram.diagonal().mean() * p.damping;
}

// The least 0.5 tr(Gamma E H E^T), E = W - W', over all W' whose columns of `gone` are 0.
double damage_of(const Elimination& p, const std::vector<int32_t>& gone) {
  const at::Tensor h_KK = damped(p), w_DK = p.weights_DK.to(at::kDouble);
  std::vector<int64_t> kept;
  for (int64_t k = 0; k < h_KK.size(0); ++k) {
    const auto unit = static_cast<int32_t>(k / p.unit);
    if (std::find(gone.begin(), gone.end(), unit) == gone.end()) kept.push_back(k);
  }
  at::Tensor error_DK = w_DK.clone();
  if (!kept.empty()) {
    const at::Tensor at_S = at::tensor(kept, at::kLong), h_SK = h_KK.index_select(0, at_S);
    const at::Tensor repaired_SD = at::linalg_solve(h_SK.index_select(1, at_S), h_SK.mm(w_DK.t()));
    error_DK.index_add_(1, at_S, repaired_SD.t(), -1);
  }
  const at::Tensor gamma = p.sensitivity_DD.defined() ? p.sensitivity_DD.to(at::kDouble)
                                                      : at::eye(w_DK.size(0), at::kDouble);
  return gamma.mm(error_DK).mul(error_DK.mm(h_KK)).sum().item<double>() / 2;
}

void expect_damage_of_every_prefix(const Elimination& p, const DamageCurve& curve) {
  const int64_t units = p.gram_KK.size(0) / p.unit;
  ASSERT_EQ(std::ssize(curve.order), units - p.keep);
  ASSERT_EQ(curve.damage.size(), curve.order.size());
  EXPECT_EQ(std::set<int32_t>(curve.order.begin(), curve.order.end()).size(), curve.order.size());
  std::vector<int32_t> gone;
  for (size_t k = 0; k < curve.order.size(); ++k) {
    gone.push_back(curve.order[k]);
    const double expected = damage_of(p, gone);
    ASSERT_NEAR(curve.damage[k], expected, 1e-9 * (1e-3 + expected)) << "unit " << k;
  }
}

// Among all units that are left, none would have cost less.
void expect_greedy(const Elimination& p, const DamageCurve& curve) {
  std::vector<int32_t> gone;
  const auto units = static_cast<int32_t>(p.gram_KK.size(0) / p.unit);
  for (const int32_t chosen : curve.order) {
    const auto with = [&](int32_t unit) {
      std::vector<int32_t> more = gone;
      more.push_back(unit);
      return damage_of(p, more);
    };
    const double least = with(chosen);
    for (int32_t unit = 0; unit < units; ++unit) {
      if (std::find(gone.begin(), gone.end(), unit) != gone.end()) continue;
      ASSERT_LE(least, with(unit) * (1 + 1e-9)) << chosen << " before " << unit;
    }
    gone.push_back(chosen);
  }
}

// Uncorrelated inputs: a column costs 0.5 * Gamma * w^2 * E x^2.
TEST(Elimination, IsWhatOneComputesByHand) {
  Elimination p;
  p.gram_KK = at::diag(at::tensor({1.0, 4.0, 9.0}));
  p.weights_DK = at::tensor({3.0, 1.0, 0.1}).view({1, 3});
  p.sensitivity_DD = at::full({1, 1}, 2.0);
  p.damping = 0;
  const DamageCurve curve = eliminate(p);
  EXPECT_THAT(curve.order, ElementsAre(2, 1, 0));
  EXPECT_NEAR(curve.damage[0], 0.09, 1e-12);
  EXPECT_NEAR(curve.damage[1], 4.09, 1e-12);
  EXPECT_NEAR(curve.damage[2], 13.09, 1e-12);
  p.damping = 0.3;  // of 14/3: 1.4 on the diagonal
  EXPECT_NEAR(eliminate(p).damage[0], 0.01 * (9 + 1.4), 1e-12);
}

TEST(Elimination, EveryPrefixCostsWhatSolvingItAnewCosts) {
  for (const int64_t outputs : {3, 40}) {  // both factors: D < K and D > K
    for (const int64_t block : {1, 5, 64}) {
      Elimination p = random_problem(outputs, 24, 100, 7);
      p.block = block;
      expect_damage_of_every_prefix(p, eliminate(p));
    }
  }
}

TEST(Elimination, OneByOneTakesTheCheapestOfAll) {
  Elimination p = random_problem(6, 18, 60, 11);
  p.block = 1;
  expect_greedy(p, eliminate(p));
}

TEST(Elimination, AGroupGoesWhole) {
  Elimination p = random_problem(10, 24, 80, 5);
  p.unit = 4;
  for (const int64_t block : {1, 64}) {
    p.block = block;
    const DamageCurve curve = eliminate(p);
    expect_damage_of_every_prefix(p, curve);
    expect_greedy(p, curve);
  }
}

TEST(Elimination, WithoutSensitivityDamageIsTheSquaredErrorOfTheOutputs) {
  for (const int64_t outputs : {4, 30}) {
    Elimination p = random_problem(outputs, 16, 60, 2);
    p.sensitivity_DD = at::Tensor();
    expect_damage_of_every_prefix(p, eliminate(p));
  }
}

// Places in the two orders, as a correlation.
double rank_correlation(const DamageCurve& one, const DamageCurve& other) {
  const auto units = static_cast<int64_t>(one.order.size());
  const auto places = [&](const DamageCurve& curve) {
    at::Tensor place_U = at::empty({units}, at::kDouble);
    for (int64_t k = 0; k < units; ++k) place_U[curve.order[static_cast<size_t>(k)]] = k;
    return place_U - place_U.mean();
  };
  const at::Tensor a = places(one), b = places(other);
  return (a.dot(b) / (a.norm() * b.norm())).item<double>();
}

TEST(Elimination, InBlocksIsCloseToOneByOne) {
  Elimination p = random_problem(48, 512, 800, 3);
  p.block = 1;
  const DamageCurve exact = eliminate(p);
  p.block = 64;
  const DamageCurve blocked = eliminate(p);
  EXPECT_GT(rank_correlation(exact, blocked), 0.99);
  for (size_t k = 50; k < 512; ++k) {
    ASSERT_NEAR(blocked.damage[k], exact.damage[k], 0.02 * exact.damage[k]) << k;
  }
}

TEST(Elimination, ATwinCostsNothingAndItsOtherHalfEverything) {
  Elimination p = random_problem(6, 12, 60, 4);
  at::Tensor gram = p.gram_KK;
  gram.select(0, 9).copy_(gram.select(0, 2).clone());
  gram.select(1, 9).copy_(gram.select(1, 2).clone());
  p.damping = 1e-8;
  const DamageCurve curve = eliminate(p);
  EXPECT_TRUE(curve.order[0] == 2 || curve.order[0] == 9);
  EXPECT_LT(curve.damage[0], 1e-3 * curve.damage[1]);
}

TEST(Elimination, DamageNeverFallsAndTheLastUnitsStay) {
  Elimination p = random_problem(8, 40, 20, 9);  // fewer tokens than inputs: G is singular
  p.keep = 7;
  const DamageCurve curve = eliminate(p);
  EXPECT_EQ(curve.order.size(), 33u);
  EXPECT_TRUE(std::is_sorted(curve.damage.begin(), curve.damage.end()));
  p.keep = 40;
  EXPECT_TRUE(eliminate(p).order.empty());
  p.keep = 50;
  EXPECT_TRUE(eliminate(p).order.empty());
}

TEST(Elimination, MoreInputsThanTokensIsStillExact) {
  Elimination p = random_problem(5, 30, 8, 13);
  p.gram_KK = p.gram_KK.to(at::kFloat);
  expect_damage_of_every_prefix(p, eliminate(p));
}

TEST(Elimination, NegativeEigenvaluesOfRoundingCountAsZero) {
  Elimination p = random_problem(8, 16, 60, 6);
  const DamageCurve clean = eliminate(p);
  p.sensitivity_DD.select(0, 0).zero_();
  p.sensitivity_DD.select(1, 0).zero_();
  const DamageCurve without = eliminate(p);
  p.sensitivity_DD[0][0] = -1e-3;
  const DamageCurve negative = eliminate(p);
  EXPECT_EQ(negative.order, without.order);
  EXPECT_NEAR(negative.damage.back(), without.damage.back(), 1e-9 * without.damage.back());
  EXPECT_LT(without.damage.back(), clean.damage.back());
}

TEST(Elimination, DeadInputsGoFirstInTheirOrder) {
  Elimination p = random_problem(4, 12, 60, 8);
  for (const int64_t dead : {3, 7}) {
    p.gram_KK.select(0, dead).zero_();
    p.gram_KK.select(1, dead).zero_();
    p.weights_DK.select(1, dead).fill_(0.5);
  }
  p.damping = 1e-6;
  const DamageCurve curve = eliminate(p);
  EXPECT_EQ(curve.order[0], 3);
  EXPECT_EQ(curve.order[1], 7);
  EXPECT_LT(curve.damage[1], 0.05 * curve.damage[2]);
}

TEST(Elimination, WhereNothingEverCameInNothingCosts) {
  Elimination p = random_problem(4, 6, 60, 8);
  p.gram_KK.zero_();
  p.keep = 1;
  const DamageCurve curve = eliminate(p);
  EXPECT_THAT(curve.order, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(curve.damage, ElementsAre(0, 0, 0, 0, 0));
}

TEST(Elimination, EqualDamagesGoInOrder) {
  Elimination p;
  p.gram_KK = at::eye(300);
  p.weights_DK = at::ones({1, 300});
  const DamageCurve curve = eliminate(p);
  EXPECT_TRUE(std::is_sorted(curve.order.begin(), curve.order.end()));
}

template <typename Change>
std::string refusal(Change change) {
  Elimination p = random_problem(4, 6, 30, 1);
  change(p);
  try {
    eliminate(p);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    return error.what();
  }
  return "";
}

TEST(Elimination, RefusesWhatCannotBeSolved) {
  EXPECT_THAT(refusal([](Elimination& p) { p.gram_KK[1][2] = NAN; }),
              HasSubstr("Gram matrix of an elimination has values that are not finite"));
  EXPECT_THAT(refusal([](Elimination& p) { p.weights_DK[1][2] = INFINITY; }),
              HasSubstr("weight matrix"));
  EXPECT_THAT(refusal([](Elimination& p) { p.sensitivity_DD[1][2] = NAN; }),
              HasSubstr("gradient covariance"));
  EXPECT_THAT(refusal([](Elimination& p) {
                p.gram_KK = at::ones({5, 5});
              }),
              HasSubstr("Gram matrix of 6 x 6"));
  EXPECT_THAT(refusal([](Elimination& p) {
                p.damping = 0;
                p.gram_KK.fill_(1);
              }),
              HasSubstr("cannot be inverted"));
  EXPECT_THAT(refusal([](Elimination& p) { p.unit = 4; }), HasSubstr("units of 4"));
  EXPECT_THAT(refusal([](Elimination& p) { p.block = 0; }), HasSubstr("block 0"));
  EXPECT_THAT(refusal([](Elimination& p) { p.gram_KK = at::Tensor(); }), HasSubstr("needs"));
}

// What a part of outputs r = M z + noise leaves to damage when a matrix of inputs z takes over.
TEST(TakenOver, LeavesWhatTheInputsDoNotTell) {
  at::manual_seed(8);
  const int64_t tokens = 400;
  const at::Tensor z_NK =
      at::randn({tokens, 6}, at::kDouble) * at::logspace(-1, 1, 6, 10.0, at::kDouble);
  const at::Tensor told_ND = z_NK.mm(at::randn({6, 4}, at::kDouble));
  const at::Tensor noise_ND = at::randn({tokens, 4}, at::kDouble);
  const at::Tensor g_ND = at::randn({tokens, 4}, at::kDouble);
  const auto problem = [&](const at::Tensor& r_ND, double damping) {
    return TakenOver{r_ND.t().mm(r_ND) / tokens, r_ND.t().mm(z_NK) / tokens,
                     z_NK.t().mm(z_NK) / tokens, g_ND.t().mm(g_ND) / tokens, damping};
  };
  EXPECT_NEAR(damage_taken_over(problem(told_ND, 1e-12)), 0, 1e-9);
  const at::Tensor r_ND = told_ND + noise_ND;
  const TakenOver p = problem(r_ND, 0.1);
  // By the sum over tokens and the ridge, with the change that solves it.
  const at::Tensor h_KK = p.gram_KK + at::eye(6, at::kDouble) * p.gram_KK.diagonal().mean() * 0.1;
  const at::Tensor change_DK = at::linalg_solve(h_KK, p.cross_DK.t()).t();
  const at::Tensor off_ND = r_ND - z_NK.mm(change_DK.t());
  const at::Tensor ridge = change_DK.mm(change_DK.t()) * p.gram_KK.diagonal().mean() * 0.1;
  const at::Tensor error_DD = off_ND.t().mm(off_ND) / tokens + ridge;
  const double expected = (p.sensitivity_DD * error_DD).sum().item<double>() / 2;
  EXPECT_NEAR(damage_taken_over(p), expected, 1e-9 * expected);
  TakenOver silent = p;
  silent.gram_KK = at::zeros({6, 6});
  EXPECT_NEAR(damage_taken_over(silent), (p.sensitivity_DD * p.added_DD).sum().item<double>() / 2,
              1e-9);
  silent.cross_DK = at::zeros({4, 5});
  EXPECT_THROW(damage_taken_over(silent), Error);
}

}  // namespace
}  // namespace mop
