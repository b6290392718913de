#include "stats/second_moment.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace mop {
namespace {

double off(const at::Tensor& got, const at::Tensor& x_NK, int64_t rows) {
  const at::Tensor wide = x_NK.to(at::kDouble);
  const at::Tensor expected = wide.t().matmul(wide) / rows;
  return ((got.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST(SecondMoment, IsThePlainProductWhateverTheTiles) {
  at::manual_seed(1);
  for (const int64_t columns : {1, 5, 255, 256, 257, 513, 700, 2100}) {
    const at::Tensor x_NK = at::randn({40, columns});
    SecondMoment moment(columns, at::kCPU);
    moment.add(x_NK.narrow(0, 0, 30));
    moment.add(x_NK.narrow(0, 30, 10));
    const at::Tensor mean_KK = moment.mean(40);
    EXPECT_LT(off(mean_KK, x_NK, 40), 1e-6) << columns;
    EXPECT_TRUE(at::equal(mean_KK, mean_KK.t())) << columns;
  }
}

TEST(SecondMoment, AddsUpRoundedNumbersInFloat32) {
  at::manual_seed(1);
  const at::Tensor x_NK = at::randn({50, 300}).to(at::kBFloat16);
  SecondMoment moment(300, at::kCPU);
  moment.add(x_NK.narrow(0, 0, 20));
  moment.add(x_NK.narrow(0, 20, 30));  // more rows than before
  EXPECT_LT(off(moment.mean(50), x_NK, 50), 1e-6);
}

TEST(SecondMoment, OfNoRowsIsZero) {
  EXPECT_TRUE(at::equal(SecondMoment(300, at::kCPU).mean(1), at::zeros({300, 300})));
}

}  // namespace
}  // namespace mop
