#include "solve/least_squares.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"

namespace mop {
namespace {

// One input, two tokens x = 1, 2 and residuals r = 1, 3: G = 5, C = 7; damping 0.4 adds 2.
TEST(RidgeAddition, IsWhatOneComputesByHand) {
  const at::Tensor gram = at::full({1, 1}, 5.0), cross = at::full({1, 1}, 7.0);
  EXPECT_DOUBLE_EQ(ridge_addition(gram, cross, 0).item<double>(), 7.0 / 5);
  EXPECT_DOUBLE_EQ(ridge_addition(gram, cross, 0.4).item<double>(), 1.0);
}

TEST(RidgeAddition, IsWhereTheDampedErrorIsFlat) {
  at::manual_seed(3);
  const at::Tensor x_NK = at::randn({40, 6}, at::kDouble), r_NO = at::randn({40, 3}, at::kDouble);
  const at::Tensor gram = x_NK.t().mm(x_NK), cross = r_NO.t().mm(x_NK);
  const double damping = 0.05, ridge = damping * gram.diagonal().mean().item<double>();
  const at::Tensor w_OK = ridge_addition(gram.to(at::kFloat), cross, damping);
  const at::Tensor slope_OK = (x_NK.mm(w_OK.t()) - r_NO).t().mm(x_NK) + ridge * w_OK;
  EXPECT_LT(slope_OK.abs().max().item<double>(), 1e-5 * cross.abs().max().item<double>());
  EXPECT_GT(w_OK.abs().max().item<double>(), 0.05);
}

TEST(RidgeAddition, LeavesInputsThatNoTokenUsed) {
  at::Tensor gram = at::zeros({2, 2}), cross = at::zeros({1, 2});
  gram[0][0] = 4;
  cross[0][0] = 4;
  const at::Tensor w_OK = ridge_addition(gram, cross, 1e-2);
  EXPECT_EQ(w_OK[0][1].item<double>(), 0);
  EXPECT_NEAR(w_OK[0][0].item<double>(), 4 / 4.02, 1e-12);
}

// A matrix behind weights that are all 0: there is nothing to learn from, and nothing to change.
TEST(RidgeAddition, ChangesNothingWhereAllInputsAreZero) {
  const at::Tensor added_OK = ridge_addition(at::zeros({3, 3}), at::zeros({2, 3}), 0.1);
  EXPECT_TRUE(at::equal(added_OK, at::zeros({2, 3}, at::kDouble)));
}

TEST(RidgeAddition, RefusesWhatCannotBeSolved) {
  EXPECT_THROW(ridge_addition(at::ones({2, 2}), at::zeros({1, 2}), 0), Error);
  EXPECT_THROW(ridge_addition(at::full({1, 1}, NAN), at::ones({1, 1}), 0.1), Error);
}

}  // namespace
}  // namespace mop
