// tests/unit/tensor/row_product_test.cc
#include "tensor/row_product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace mop {
namespace {

class RowProduct : public ::testing::TestWithParam<std::tuple<at::ScalarType, int, int, int>> {};

TEST_P(RowProduct, EqualsLinear) {
  const auto [dtype, rows, outputs, width] = GetParam();
  at::manual_seed(7);
  const at::Tensor x_NK = at::randn({rows, width}).to(dtype),
                   weight_OK = at::randn({outputs, width}).to(dtype);
  const at::Tensor bias_O = at::randn({outputs}).to(dtype);
  const bool fits = dtype == at::kFloat || rows <= 4;
  ASSERT_EQ(row_product_fits(x_NK, weight_OK), fits);
  if (!fits) return;
  const at::Tensor exact =
      at::linear(x_NK.to(at::kDouble), weight_OK.to(at::kDouble), bias_O.to(at::kDouble));
  const at::Tensor ours = row_product(x_NK, weight_OK, bias_O);
  EXPECT_EQ(ours.scalar_type(), dtype);
  const double tolerance = dtype == at::kFloat ? 1e-6 : 1.0 / 256;
  EXPECT_LE((ours.to(at::kDouble) - exact).abs().max().item<double>(),
            tolerance * exact.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Shapes, RowProduct,
                         ::testing::Combine(::testing::Values(at::kFloat, at::kBFloat16),
                                            ::testing::Values(1, 2, 3, 4, 7, 8),
                                            ::testing::Values(1, 65, 256),
                                            ::testing::Values(1, 33, 512)));

TEST(RowProductTest, DoesNotDependOnTheNumberOfThreadsOrRows) {
  at::manual_seed(7);
  const at::Tensor x_NK = at::randn({7, 100}), weight_OK = at::randn({333, 100});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = row_product(x_NK, weight_OK);
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(row_product(x_NK, weight_OK), one));
  for (const int64_t rows : {1, 2, 3, 4, 5}) {
    EXPECT_TRUE(
        at::equal(row_product(x_NK.slice(0, 2, 2 + rows), weight_OK), one.slice(0, 2, 2 + rows)))
        << rows;
  }
  at::set_num_threads(threads);
}

TEST(RowProductTest, SeveralFactorsAtOnceAreTheSame) {
  at::manual_seed(7);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x_NK = at::randn({2, 70}).to(dtype);
    const std::vector<RowFactor> factors = {
        {at::randn({130, 70}).to(dtype), at::randn({130}).to(dtype)},
        {at::randn({1, 70}).to(dtype)},
        {at::randn({64, 70}).to(dtype)}};
    const std::vector<at::Tensor> together = row_products(x_NK, factors);
    ASSERT_EQ(together.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(
          at::equal(together[i], row_product(x_NK, factors[i].weight_OK, factors[i].bias_O)));
    }
  }
}

TEST(RowProductTest, RefusesWidthsThatDiffer) {
  EXPECT_THROW(row_product(at::randn({1, 8}), at::randn({4, 9})), Error);
  EXPECT_THROW(row_product(at::randn({9, 8}), at::randn({4, 8})), Error);
}

TEST(RowProductTest, LeavesGradientsToLinear) {
  const at::Tensor x_NK = at::randn({1, 8}).requires_grad_(true);
  EXPECT_FALSE(row_product_fits(x_NK, at::randn({4, 8})));
}

}  // namespace
}  // namespace mop
