#include "model/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace mop {
namespace {

// Fused and plain kernels agree up to one rounding of the dtype.
class Kernels : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  Kernels() { at::manual_seed(7); }
  at::Tensor random(at::IntArrayRef shape, double scale = 1.0) const {
    return (at::randn(shape) * scale).to(GetParam());
  }
  void expect_close(const at::Tensor& ours, const at::Tensor& plain) const {
    const double tolerance = GetParam() == at::kFloat      ? 2e-6
                             : GetParam() == at::kBFloat16 ? 2e-2
                                                           : 2e-3;
    EXPECT_TRUE(at::allclose(ours.to(at::kDouble), plain.to(at::kDouble), tolerance, tolerance))
        << (ours.to(at::kDouble) - plain.to(at::kDouble)).abs().max();
  }
};

TEST_P(Kernels, NormEqualsThePlainOne) {
  for (const int64_t columns : {1, 7, 64, 2049}) {
    const at::Tensor x = random({300, columns}, 3.0), weight = random({columns});
    const at::Tensor plain = rms_norm(x, weight, 1e-5);
    const at::Tensor out = at::empty_like(x);
    rms_norm_out(x, weight, 1e-5, out);
    expect_close(out, plain);
    rms_norm_out(x, weight, 1e-5, x);  // in place
    EXPECT_TRUE(at::equal(x, out));
  }
}

TEST_P(Kernels, NormTakesRowsOfAnyShapeAndStride) {
  const at::Tensor x = random({5, 3, 16}), weight = random({16});
  const at::Tensor out = at::empty_like(x);
  rms_norm_out(x, weight, 1e-5, out);
  expect_close(out, rms_norm(x, weight, 1e-5));
  const at::Tensor strided = random({16, 40}).t();
  const at::Tensor strided_out = at::empty_like(strided);
  rms_norm_out(strided, weight, 1e-5, strided_out);
  expect_close(strided_out, rms_norm(strided, weight, 1e-5));
}

TEST_P(Kernels, RopeEqualsThePlainOne) {
  for (const int64_t size : {2, 6, 64, 128}) {
    const at::Tensor x = random({70, 5, size});
    const at::Tensor angle = at::randn({70, size / 2}).repeat({1, 2});
    const at::Tensor cos = angle.cos().to(GetParam()), sin = angle.sin().to(GetParam());
    const at::Tensor plain = rope(x, cos, sin);
    rope_(x, cos, sin);
    expect_close(x, plain);
  }
}

TEST_P(Kernels, SiluMulEqualsThePlainOne) {
  for (const int64_t columns : {1, 33, 4096}) {
    const at::Tensor gate = random({37, columns}, 10.0), up = random({37, columns});
    const at::Tensor plain = silu_mul(gate, up);
    silu_mul_(gate, up);
    expect_close(gate, plain);
  }
}

TEST_P(Kernels, ExtremeValuesStayWhatTheyAre) {
  const at::Tensor gate = at::tensor({-1e4, -100., -88., 0., 88., 100., 1e4}).to(GetParam());
  const at::Tensor one = at::ones_like(gate);
  const at::Tensor plain = silu_mul(gate, one);
  silu_mul_(gate, one);
  expect_close(gate, plain);
  const at::Tensor nan = at::full({1, 4}, std::nan("")).to(GetParam());
  rms_norm_out(nan, at::ones({4}).to(GetParam()), 1e-5, nan);
  EXPECT_TRUE(nan.isnan().all().item<bool>());
  const at::Tensor nan_gate = at::full({4}, std::nan("")).to(GetParam());
  silu_mul_(nan_gate, at::ones_like(nan_gate));
  EXPECT_TRUE(nan_gate.isnan().all().item<bool>());
}

TEST_P(Kernels, NothingIsNoError) {
  const at::Tensor none = at::empty({0, 8}, GetParam());
  rms_norm_out(none, at::ones({8}).to(GetParam()), 1e-5, none);
  silu_mul_(none, none);
  rope_(none.view({0, 1, 8}), none, none);
}

INSTANTIATE_TEST_SUITE_P(Types, Kernels, ::testing::Values(at::kFloat, at::kBFloat16, at::kHalf),
                         [](const auto& info) { return std::string(at::toString(info.param)); });

}  // namespace
}  // namespace mop
