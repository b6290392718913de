#include "tensor/dtype.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace mop {
namespace {

TEST(DType, NamesGoThereAndBack) {
  for (const DType dtype : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble, at::kLong, at::kBool,
                            at::kByte, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    EXPECT_EQ(dtype_from_safetensors(safetensors_name(dtype)), dtype);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(safetensors_name(at::kBFloat16), "BF16");
  EXPECT_EQ(dtype_name(at::kBFloat16), "bfloat16");
  EXPECT_EQ(dtype_from_name("torch.float16"), at::kHalf);
}

TEST(DType, HasTheSizeOfOneElement) {
  EXPECT_EQ(dtype_bytes(at::kBFloat16), 2u);
  EXPECT_EQ(dtype_bytes(at::kDouble), 8u);
  EXPECT_EQ(dtype_bytes(at::kFloat8_e4m3fn), 1u);
}

TEST(DType, UnknownNamesListTheKnownOnes) {
  try {
    dtype_from_safetensors("F33");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("unknown dtype 'F33'"),
                                         testing::HasSubstr("known: F32, BF16, F16")));
  }
  try {
    dtype_from_name("float33");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(e.what(), testing::HasSubstr("float32, bfloat16"));
  }
}

}  // namespace
}  // namespace mop
