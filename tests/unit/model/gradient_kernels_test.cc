#include "model/gradient_kernels.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

at::Tensor keys(int64_t first, int64_t rows) {
  return at::arange(first, first + rows, at::TensorOptions(at::kLong));
}

TEST(Dropped, LeavesOutTheAskedShareAndScalesTheRest) {
  for (const DType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor ones_RC = at::ones({400, 250}, at::TensorOptions(dtype));
    const at::Tensor out_RC = dropped(ones_RC, 0.2, 7, keys(0, 400)).to(at::kFloat);
    const at::Tensor kept_RC = out_RC.ne(0);
    EXPECT_NEAR(kept_RC.to(at::kDouble).mean().item<double>(), 0.8, 0.005);
    EXPECT_TRUE(at::allclose(out_RC.masked_select(kept_RC), at::full({1}, 1.25f)));
    // Neither rows nor columns are favoured.
    for (const int64_t axis : {0, 1}) {
      const at::Tensor share = kept_RC.to(at::kDouble).mean(axis);
      EXPECT_GT(share.min().item<double>(), 0.65);
      EXPECT_LT(share.max().item<double>(), 0.95);
    }
  }
}

TEST(Dropped, ARowDependsOnItsKeyAndTheSeedAlone) {
  const at::Tensor ones_RC = at::ones({6, 300});
  const at::Tensor all_RC = dropped(ones_RC, 0.5, 7, keys(10, 6));
  EXPECT_TRUE(
      at::equal(dropped(ones_RC.narrow(0, 0, 2), 0.5, 7, keys(13, 2)), all_RC.narrow(0, 3, 2)));
  const auto differs = [&](const at::Tensor& other_RC) {
    return all_RC.ne(other_RC).to(at::kDouble).mean().item<double>();
  };
  EXPECT_NEAR(differs(dropped(ones_RC, 0.5, 8, keys(10, 6))), 0.5, 0.05);
  EXPECT_NEAR(differs(dropped(ones_RC, 0.5, 7, keys(11, 6))), 0.5, 0.05);
}

// Other dtypes take whole operations, as other devices do.
TEST(Dropped, LeavesOutTheSameEntriesWhateverTheDtype) {
  const at::Tensor keys_R =
      at::tensor({int64_t{0}, int64_t{-1}, int64_t{1} << 62, int64_t{-123456789012345}}, at::kLong);
  const at::Tensor x_RC = at::randn({4, 1000});
  for (const uint64_t seed : {uint64_t{0}, uint64_t{7}, uint64_t{0xfedcba9876543210u}}) {
    const at::Tensor wanted_RC = dropped(x_RC, 0.3, seed, keys_R);
    for (const DType dtype : {at::kDouble, at::kHalf, at::kBFloat16}) {
      const at::Tensor out_RC = dropped(x_RC.to(dtype), 0.3, seed, keys_R);
      EXPECT_EQ(out_RC.scalar_type(), dtype);
      EXPECT_TRUE(at::equal(out_RC.eq(0), wanted_RC.eq(0))) << dtype << " " << seed;
      EXPECT_TRUE(at::allclose(out_RC.to(at::kFloat), wanted_RC, 1e-2, 1e-3));
    }
    EXPECT_TRUE(at::equal(dropped(x_RC.to(at::kHalf).view({2, 2, 1000}), 0.3, seed, keys_R).eq(0),
                          wanted_RC.eq(0).view({2, 2, 1000})));
  }
}

TEST(Dropped, WantsAKeyForEveryRow) {
  EXPECT_THROW(dropped(at::ones({6, 3}), 0.5, 7, keys(0, 5)), Error);
  EXPECT_THROW(dropped(at::ones({6, 3}), 0.5, 7, {}), Error);
}

}  // namespace
}  // namespace mop
