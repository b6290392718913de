// tests/unit/stats/sums_test.cc -- the kernels under the statistics, checked by hand and against
// at::.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kit/gpu.h"
#include "stats/abs_sums.h"
#include "stats/amx_head_l1.h"
#include "stats/head_output.h"

namespace mop::testing {
namespace {

Packing packed(std::vector<int64_t> lengths) {
  Packing packing;
  packing.lengths = std::move(lengths);
  return packing;
}

TEST(SequenceAbsSums, KeepSequencesApart) {
  const at::Tensor value = at::tensor({1., -2., 3., -4., -5., 6.}).view({3, 2}).to(at::kFloat);
  const at::Tensor sums = sequence_abs_sums(value, packed({2, 1}));
  EXPECT_TRUE(at::equal(sums, at::tensor({4., 6., 5., 6.}).to(at::kDouble).view({2, 2}))) << sums;
}

TEST(SequenceAbsSums, EqualTorchInEveryDtype) {
  at::manual_seed(1);
  const at::Tensor value = at::randn({700, 2500});
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor typed = value.to(dtype);
    const at::Tensor sums = sequence_abs_sums(typed, packed({600, 100}));
    const at::Tensor abs = typed.to(at::kDouble).abs();
    EXPECT_TRUE(at::allclose(sums[0], abs.narrow(0, 0, 600).sum(0), 1e-6, 0)) << dtype;
    EXPECT_TRUE(at::allclose(sums[1], abs.narrow(0, 600, 100).sum(0), 1e-6, 0)) << dtype;
  }
}

TEST(SequenceAbsSums, DoNotDependOnTheNeighbours) {
  at::manual_seed(2);
  const at::Tensor a = at::randn({300, 70}), b = at::randn({40, 70});
  const at::Tensor together = sequence_abs_sums(at::cat({a, b}), packed({300, 40}));
  EXPECT_TRUE(at::equal(together[0], sequence_abs_sums(a, packed({300}))[0]));
  EXPECT_TRUE(at::equal(together[1], sequence_abs_sums(b, packed({40}))[0]));
}

TEST(SequenceAbsSums, AcceptRowsFarApart) {
  const at::Tensor wide = at::arange(12).view({3, 4}).to(at::kFloat);
  EXPECT_TRUE(at::equal(sequence_abs_sums(wide.narrow(1, 1, 2), packed({3}))[0],
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

struct HeadShape {
  int64_t heads, head_dim, hidden, tokens;
};
constexpr HeadShape kShapes[] = {{4, 128, 512, 300}, {6, 64, 1024, 70},  {2, 32, 40, 33},
                                 {3, 8, 30, 5},      {1, 96, 512, 1100}, {5, 128, 256, 64},
                                 {2, 128, 32, 1}};

// Relative error of `l1` against the whole [N, H, D] product in float64.
double product_error(const at::Tensor& l1_NH, const at::Tensor& x_NQ, const at::Tensor& w_DQ,
                     const HeadShape& shape) {
  const at::Tensor x = x_NQ.to(at::kDouble), w = w_DQ.to(at::kDouble);
  double worst = 0;
  for (int64_t h = 0; h < shape.heads; ++h) {
    const int64_t first = h * shape.head_dim;
    const at::Tensor whole =
        x.narrow(1, first, shape.head_dim).matmul(w.narrow(1, first, shape.head_dim).t());
    const at::Tensor expected = whole.abs().sum(1);
    worst =
        std::max(worst, ((l1_NH.select(1, h) - expected).abs() / expected).max().item<double>());
  }
  return worst;
}

TEST(HeadOutputL1, EqualsTheWholeProductInEveryShape) {
  at::manual_seed(3);
  for (const HeadShape& shape : kShapes) {
    const at::Tensor x = at::randn({shape.tokens, shape.heads * shape.head_dim});
    const at::Tensor w = at::randn({shape.hidden, shape.heads * shape.head_dim}) / 8;
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor xs = x.to(dtype), ws = w.to(dtype);
      const std::string what =
          fmt::format("{} heads of {}, hidden {}", shape.heads, shape.head_dim, shape.hidden);
      // Half precision rounds every product of LibTorch, 2^-9 each; errors of both signs mostly
      // cancel.
      const double rounding = dtype == at::kFloat ? 1e-5 : 2e-3;
      const at::Tensor plain = head_output_l1_by_products(xs, ws, shape.heads);
      EXPECT_LT(product_error(plain, xs, ws, shape), rounding) << dtype << " " << what;
      const at::Tensor best = head_output_l1(xs, ws, shape.heads);
      EXPECT_LT(product_error(best, xs, ws, shape), rounding) << dtype << " " << what;
      if (dtype == at::kBFloat16 && amx_head_l1_fits(shape.head_dim)) {
        EXPECT_LT(product_error(best, xs, ws, shape), 1e-5) << "tiles " << what;
      }
    }
  }
}

// LibTorch's own kernels use tiles too and must find them as they left them.
TEST(HeadOutputL1, LeavesTheTilesToOthers) {
  at::manual_seed(4);
  const at::Tensor x = at::randn({256, 256}).to(at::kBFloat16),
                   w = at::randn({256, 256}).to(at::kBFloat16);
  const at::Tensor before = x.matmul(w.t());
  head_output_l1(x, w, 2);
  EXPECT_TRUE(at::equal(x.matmul(w.t()), before));
}

TEST(HeadOutputL1, KeepsNanAndInfinity) {
  at::Tensor x = at::ones({3, 64});
  x[1][40] = NAN;
  const at::Tensor l1 =
      head_output_l1(x.to(at::kBFloat16), at::ones({32, 64}).to(at::kBFloat16), 2);
  EXPECT_EQ(l1[0][1].item<float>(), 32 * 32);
  EXPECT_FALSE(std::isfinite(l1[1][1].item<float>()));
  EXPECT_EQ(l1[1][0].item<float>(), 32 * 32);
}

// What a device does, in the CPU's memory.
TEST(SumsOnADevice, EqualTheMeansOfEverySequence) {
  at::manual_seed(3);
  const Packing piece = packed({4, 4, 1, 9, 9, 4});
  const at::Tensor lengths_S1 = at::tensor(piece.lengths, at::kDouble).unsqueeze(1);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor value_NX = at::randn({piece.tokens(), 40}).to(dtype).narrow(1, 3, 30);
    const at::Tensor sums_X = at::ones({30}, at::kDouble);
    add_abs_means(value_NX, piece, sums_X);
    const at::Tensor expected_X = 1 + (sequence_abs_sums(value_NX, piece) / lengths_S1).sum(0);
    EXPECT_TRUE(at::allclose(sums_X, expected_X, 1e-6, 0)) << dtype;
  }
  const at::Tensor values_NX = at::rand({piece.tokens(), 5}), sums_X = at::ones({5}, at::kDouble);
  add_means(values_NX.t(), piece, sums_X);
  const at::Tensor expected_X = 1 + (sequence_sums(values_NX, piece) / lengths_S1).sum(0);
  EXPECT_TRUE(at::allclose(sums_X, expected_X, 1e-12, 0));
}

TEST(SumsOnADevice, NeighboursOfOneLengthAreOneRun) {
  const auto runs = equal_lengths(packed({4, 4, 1, 4}));
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].sequences, 2);
  EXPECT_EQ(runs[1].first_token, 8);
  EXPECT_EQ(runs[2].first_token, 9);
}

double head_output_error(const at::Tensor& got_HN, const at::Tensor& expected_NH) {
  const at::Tensor expected_HN = expected_NH.t();
  return ((got_HN.cpu() - expected_HN).abs() / expected_HN).max().item<double>();
}

TEST(HeadOutputOnADevice, EqualsTheHeadsOneByOneInBuffersOfEverySize) {
  at::manual_seed(4);
  const at::Tensor heads_NQ = at::randn({11, 3 * 8}), output_DQ = at::randn({20, 3 * 8});
  const at::Tensor expected_NH = head_output_l1_by_products(heads_NQ, output_DQ, 3);
  for (const int64_t bytes : {1, 3 * 20 * 4 * 4, 1 << 20}) {
    EXPECT_LT(
        head_output_error(head_output_l1_on_device(heads_NQ, output_DQ, 3, bytes), expected_NH),
        1e-5)
        << bytes;
  }
}

TEST_F(OnCuda, HeadOutputEqualsTheCpus) {
  at::manual_seed(4);
  const at::Tensor heads_NQ = at::randn({300, 8 * 64}), output_DQ = at::randn({512, 8 * 64});
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor heads = heads_NQ.to(dtype), output = output_DQ.to(dtype);
    const at::Tensor got = head_output_l1_on_device(heads.to(device()), output.to(device()), 8,
                                                    int64_t{100} * 8 * 512 * 4);
    EXPECT_LT(head_output_error(got, head_output_l1(heads, output, 8)),
              dtype == at::kFloat ? 1e-5 : 5e-3);
  }
}

}  // namespace
}  // namespace mop::testing
