// tests/unit/tensor/row_product_test.cc
#include "tensor/row_product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace mop {
namespace {

class RowProduct : public ::testing::TestWithParam<std::tuple<at::ScalarType, int, int, int>> {};

TEST_P(RowProduct, EqualsLinear) {
  const auto [dtype, rows, outputs, width] = GetParam();
  at::manual_seed(7);
  const at::Tensor x_NK = at::randn({rows, width}).to(dtype), weight_OK = at::randn({outputs, width}).to(dtype);
  const at::Tensor bias_O = at::randn({outputs}).to(dtype);
  ASSERT_TRUE(row_product_fits(x_NK, weight_OK));
  const at::Tensor exact = at::linear(x_NK.to(at::kDouble), weight_OK.to(at::kDouble), bias_O.to(at::kDouble));
  const at::Tensor ours = row_product(x_NK, weight_OK, bias_O);
  EXPECT_EQ(ours.scalar_type(), dtype);
  const double tolerance = dtype == at::kFloat ? 1e-6 : 1.0 / 256;
  EXPECT_LE((ours.to(at::kDouble) - exact).abs().max().item<double>(), tolerance * exact.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Shapes, RowProduct,
                         ::testing::Combine(::testing::Values(at::kFloat, at::kBFloat16), ::testing::Values(1, 3),
                                            ::testing::Values(1, 65, 256), ::testing::Values(1, 33, 512)));

TEST(RowProductTest, DoesNotDependOnTheNumberOfThreadsOrRows) {
  at::manual_seed(7);
  const at::Tensor x_NK = at::randn({4, 96}), weight_OK = at::randn({333, 96});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = row_product(x_NK, weight_OK);
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(row_product(x_NK, weight_OK), one));
  EXPECT_TRUE(at::equal(row_product(x_NK.slice(0, 2, 3), weight_OK), one.slice(0, 2, 3)));
  at::set_num_threads(threads);
}

TEST(RowProductTest, LeavesGradientsToLinear) {
  const at::Tensor x_NK = at::randn({1, 8}).requires_grad_(true);
  EXPECT_FALSE(row_product_fits(x_NK, at::randn({4, 8})));
}

}  // namespace
}  // namespace mop
