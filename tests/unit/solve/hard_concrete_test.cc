// tests/unit/solve/hard_concrete_test.cc -- gates against the formulas of the paper, by hand.
#include "solve/hard_concrete.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

namespace mop::testing {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
at::Tensor vector(std::vector<double> values) { return at::tensor(values, at::kDouble); }

TEST(HardConcrete, IsStretchedAndCut) {
  // u = 1/2 leaves the logit: sigmoid(0.5 / (2/3)) = sigmoid(0.75), times 1.2, less 0.1.
  const GateSample sample = sample_gates(vector({0.5, 5, -5, 0}), vector({0.5, 0.5, 0.5, 0.9}));
  EXPECT_NEAR(sample.gates_U[0].item<double>(), 1.2 * sigmoid(0.75) - 0.1, 1e-12);
  EXPECT_EQ(sample.gates_U[1].item<double>(), 1);
  EXPECT_EQ(sample.gates_U[2].item<double>(), 0);
  const double last = 1.2 * sigmoid(std::log(9.0) * 1.5) - 0.1;
  EXPECT_NEAR(sample.gates_U[3].item<double>(), std::min(last, 1.0), 1e-12);
  EXPECT_EQ(sample.slopes_U[1].item<double>(), 0);
  EXPECT_EQ(sample.slopes_U[2].item<double>(), 0);
}

TEST(HardConcrete, SlopesAreThoseOfTheGate) {
  const at::Tensor uniform = vector({0.3, 0.5, 0.7}), logits = vector({0.2, -0.4, 0.1});
  const double step = 1e-6;
  const at::Tensor rise = (sample_gates(logits + step, uniform).gates_U -
                           sample_gates(logits - step, uniform).gates_U) /
                          (2 * step);
  EXPECT_TRUE(at::allclose(sample_gates(logits, uniform).slopes_U, rise, 1e-6, 1e-9));
  const at::Tensor open =
      (open_probability(logits + step).gates_U - open_probability(logits - step).gates_U) /
      (2 * step);
  EXPECT_TRUE(at::allclose(open_probability(logits).slopes_U, open, 1e-6, 1e-9));
}

TEST(HardConcrete, IsOpenAsOftenAsItsProbabilitySays) {
  at::manual_seed(3);
  for (const double logit : {-2.0, 0.0, 1.5}) {
    const at::Tensor logits = at::full({200000}, logit, at::kDouble);
    const at::Tensor gates = sample_gates(logits, at::rand({200000}, at::kDouble)).gates_U;
    EXPECT_NEAR((gates > 0).to(at::kDouble).mean().item<double>(),
                open_probability(logits).gates_U[0].item<double>(), 4e-3);
    EXPECT_NEAR(open_probability(logits).gates_U[0].item<double>(),
                sigmoid(logit - 2.0 / 3 * std::log(0.1 / 1.1)), 1e-12);
  }
}

}  // namespace
}  // namespace mop::testing
