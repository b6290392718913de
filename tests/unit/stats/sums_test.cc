// tests/unit/stats/sums_test.cc -- the kernels under the statistics, checked by hand and against
// at::.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "stats/abs_sums.h"
#include "stats/head_output.h"

namespace mop::testing {
namespace {

TEST(SequenceAbsSums, KeepSequencesApart) {
  const at::Tensor value = at::tensor({1., -2., 3., -4., -5., 6.}).view({3, 2}).to(at::kFloat);
  const at::Tensor sums = sequence_abs_sums(value, {{2, 1}, {}});
  EXPECT_TRUE(at::equal(sums, at::tensor({4., 6., 5., 6.}).to(at::kDouble).view({2, 2}))) << sums;
}

TEST(SequenceAbsSums, EqualTorchInEveryDtype) {
  at::manual_seed(1);
  const at::Tensor value = at::randn({700, 2500});
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor typed = value.to(dtype);
    const at::Tensor sums = sequence_abs_sums(typed, {{600, 100}, {}});
    const at::Tensor abs = typed.to(at::kDouble).abs();
    EXPECT_TRUE(at::allclose(sums[0], abs.narrow(0, 0, 600).sum(0), 1e-6, 0)) << dtype;
    EXPECT_TRUE(at::allclose(sums[1], abs.narrow(0, 600, 100).sum(0), 1e-6, 0)) << dtype;
  }
}

TEST(SequenceAbsSums, DoNotDependOnTheNeighbours) {
  at::manual_seed(2);
  const at::Tensor a = at::randn({300, 70}), b = at::randn({40, 70});
  const at::Tensor together = sequence_abs_sums(at::cat({a, b}), {{300, 40}, {}});
  EXPECT_TRUE(at::equal(together[0], sequence_abs_sums(a, {{300}, {}})[0]));
  EXPECT_TRUE(at::equal(together[1], sequence_abs_sums(b, {{40}, {}})[0]));
}

TEST(SequenceAbsSums, AcceptRowsFarApart) {
  const at::Tensor wide = at::arange(12).view({3, 4}).to(at::kFloat);
  EXPECT_TRUE(at::equal(sequence_abs_sums(wide.narrow(1, 1, 2), {{3}, {}})[0],
                        at::tensor({15., 18.}).to(at::kDouble)));
}

TEST(HeadOutputL1, IsTheNormOfEachHeadsContribution) {
  // Two heads of one number each, hidden 2. W_o = [[1, -1], [2, 3]]: head 0 sends x*(1, 2), head 1
  // x*(-1, 3).
  const at::Tensor output_DQ = at::tensor({1., -1., 2., 3.}).view({2, 2}).to(at::kFloat);
  const at::Tensor heads_NQ = at::tensor({1., 1., -2., 0.5}).view({2, 2}).to(at::kFloat);
  const at::Tensor l1 = head_output_l1(heads_NQ, output_DQ, 2);
  EXPECT_TRUE(at::equal(l1, at::tensor({3., 4., 6., 2.}).view({2, 2}).to(at::kFloat))) << l1;
}

TEST(HeadOutputL1, EqualsTheWholeProductInEveryShape) {
  at::manual_seed(3);
  for (const auto [heads, head_dim, hidden, tokens] : {std::array<int64_t, 4>{4, 128, 512, 300},
                                                       {32, 64, 2048, 70},
                                                       {3, 8, 30, 5},
                                                       {1, 96, 4096, 1100}}) {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor x = at::randn({tokens, heads * head_dim}).to(dtype);
      const at::Tensor w = (at::randn({hidden, heads * head_dim}) / 8).to(dtype);
      const at::Tensor parts_NHD =
          at::einsum("nhe,dhe->nhd", {x.to(at::kDouble).view({tokens, heads, head_dim}),
                                      w.to(at::kDouble).view({hidden, heads, head_dim})});
      const at::Tensor l1 = head_output_l1(x, w, heads);
      const double tolerance = dtype == at::kFloat ? 1e-5 : 2e-3;
      EXPECT_TRUE(at::allclose(l1.to(at::kDouble), parts_NHD.abs().sum(2), tolerance, 0))
          << dtype << " " << heads << " heads of " << head_dim;
    }
  }
}

}  // namespace
}  // namespace mop::testing
