#include "tensor/gather.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "tensor/convert.h"

namespace mop {
namespace {

at::Tensor random_tensor(std::vector<int64_t> shape, DType dtype, uint64_t seed) {
  at::Tensor value = at::empty(shape, at::kFloat);
  Random random(seed);
  for (int64_t i = 0; i < value.numel(); ++i) {
    value.data_ptr<float>()[i] = static_cast<float>(8.0 * random.uniform() - 4.0);
  }
  return value.to(dtype);
}

at::Tensor expected(const at::Tensor& source, int64_t axis, const std::vector<int32_t>& index,
                    DType dtype) {
  const std::vector<int64_t> wide(index.begin(), index.end());
  return source.index_select(axis, at::tensor(wide, at::kLong)).to(dtype);
}

std::vector<int32_t> pick(int64_t length, int64_t every) {
  std::vector<int32_t> index;
  for (int32_t i = 0; i < length; ++i) {
    if (i % every != 1) index.push_back(i);
  }
  return index;
}

// Every axis, dtype pair and pattern of indices against ATen's index_select.
TEST(Gather, EqualsIndexSelectForEveryAxisTypeAndPattern) {
  const std::vector<std::vector<int64_t>> shapes = {{301}, {57, 130}, {5, 33, 7}};
  for (const auto& shape : shapes) {
    for (const DType from : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const at::Tensor source = random_tensor(shape, from, 3);
      for (const DType to : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
        for (int64_t axis = 0; axis < source.dim(); ++axis) {
          const int64_t length = source.size(axis);
          for (const auto& index : {pick(length, 2), pick(length, 1000), pick(length, 20),
                                    std::vector<int32_t>{0}, std::vector<int32_t>{}}) {
            const at::Tensor result = gather(source, axis, index, to);
            ASSERT_TRUE(result.is_contiguous());
            ASSERT_TRUE(at::equal(result, expected(source, axis, index, to)))
                << source.sizes() << " axis " << axis << " " << from << " to " << to << " kept "
                << index.size();
          }
        }
      }
    }
  }
}

TEST(Gather, SharesALargeMatrixAmongThreads) {
  const at::Tensor source = random_tensor({1500, 700}, at::kBFloat16, 4);
  for (const int64_t axis : {0, 1}) {
    const auto index = pick(source.size(axis), 3);
    EXPECT_TRUE(at::equal(gather(source, axis, index, at::kFloat),
                          expected(source, axis, index, at::kFloat)));
  }
}

TEST(Gather, UsesTheMemoryItIsGivenWhenItFits) {
  const at::Tensor source = random_tensor({10, 6}, at::kFloat, 5);
  const at::Tensor memory = at::zeros({100}, at::kFloat);
  const at::Tensor result = gather(source, 0, pick(10, 3), at::kFloat, memory);
  EXPECT_EQ(result.data_ptr(), memory.data_ptr());
  EXPECT_TRUE(at::equal(result, expected(source, 0, pick(10, 3), at::kFloat)));
  const at::Tensor small = at::zeros({5}, at::kFloat);
  EXPECT_NE(gather(source, 0, pick(10, 3), at::kFloat, small).data_ptr(), small.data_ptr());
  const at::Tensor other = at::zeros({100}, at::kDouble);
  EXPECT_NE(gather(source, 0, pick(10, 3), at::kFloat, other).data_ptr(), other.data_ptr());
}

TEST(Gather, IsACopyEvenOfEverything) {
  const at::Tensor source = random_tensor({4, 3}, at::kFloat, 6);
  EXPECT_NE(gather(source, 0, std::vector<int32_t>{0, 1, 2, 3}, at::kFloat).data_ptr(),
            source.data_ptr());
}

TEST(Gather, RefusesABadIndexAxisOrLayout) {
  const at::Tensor source = random_tensor({4, 3}, at::kFloat, 7);
  for (const std::vector<int32_t>& index : {std::vector<int32_t>{0, 4}, std::vector<int32_t>{1, 1},
                                            std::vector<int32_t>{2, 1}, std::vector<int32_t>{-1}}) {
    EXPECT_THROW(gather(source, 0, index, at::kFloat), Error);
  }
  EXPECT_THROW(gather(source, 2, std::vector<int32_t>{0}, at::kFloat), Error);
  EXPECT_THROW(gather(source.t(), 0, std::vector<int32_t>{0}, at::kFloat), Error);
}

// All 65536 values of the short types, and float32 values around every rounding boundary.
TEST(Convert, EqualsATenForEveryValue) {
  std::vector<int16_t> patterns;
  for (int i = 0; i < 65536; ++i) patterns.push_back(static_cast<int16_t>(i));
  const at::Tensor bits = at::tensor(patterns, at::kShort);
  for (const DType from : {at::kHalf, at::kBFloat16}) {
    const at::Tensor source = bits.view(from);
    at::Tensor result = at::empty({65536}, at::kFloat);
    find_convert(from, at::kFloat)(static_cast<const std::byte*>(source.const_data_ptr()),
                                   static_cast<std::byte*>(result.data_ptr()), 65536);
    const at::Tensor reference = source.to(at::kFloat);
    EXPECT_TRUE(at::equal(result.isnan(), reference.isnan()));
    EXPECT_TRUE(at::equal(result.nan_to_num(), reference.nan_to_num()));
  }
  std::vector<float> values = {0.0f,  -0.0f,    INFINITY, -INFINITY, NAN,
                               1e38f, -3.4e38f, 65519.9f, 65520.0f,  6e-8f};
  for (int i = 0; i < 65536; ++i) {
    for (const uint32_t low :
         {0u, 1u, 0x0fffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const uint32_t pattern = static_cast<uint32_t>(i) << 16 | low;
      float value;
      std::memcpy(&value, &pattern, sizeof value);
      values.push_back(value);
    }
  }
  const at::Tensor source = at::tensor(values, at::kFloat);
  for (const DType to : {at::kHalf, at::kBFloat16}) {
    at::Tensor result = at::empty(source.sizes(), to);
    find_convert(at::kFloat, to)(static_cast<const std::byte*>(source.const_data_ptr()),
                                 static_cast<std::byte*>(result.data_ptr()), values.size());
    const at::Tensor reference = source.to(to);
    EXPECT_TRUE(at::equal(result.isnan(), reference.isnan()));
    EXPECT_TRUE(
        at::equal(result.to(at::kFloat).nan_to_num(), reference.to(at::kFloat).nan_to_num()));
  }
}

TEST(Convert, RefusesTypesWeCannotComputeWith) {
  try {
    find_convert(at::kLong, at::kFloat);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("cannot convert int64 to float32"));
  }
}

}  // namespace
}  // namespace mop
