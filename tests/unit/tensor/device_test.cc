#include "tensor/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace mop {
namespace {

TEST(Device, TheCpuNeedsNothing) { EXPECT_EQ(open_device("cpu"), c10::Device(c10::kCPU)); }

TEST(Device, UnknownNamesAreRefused) {
  for (const char* name : {"gpu", "", "cuda0", "cuda:", "cuda:x", "cuda:1x", "cuda:-1"}) {
    try {
      open_device(name);
      FAIL() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage) << name;
    }
  }
}

// On a machine without a GPU, without its libraries or with both: a device or a reason, never the
// CPU.
TEST(Device, CudaIsCudaOrAClearError) {
  try {
    EXPECT_TRUE(open_device("cuda").is_cuda());
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kIo);
    EXPECT_THAT(
        e.what(),
        testing::AnyOf(testing::HasSubstr("CPU build"), testing::HasSubstr("cannot be loaded"),
                       testing::HasSubstr("usable GPU"), testing::HasSubstr("cannot be used")));
    EXPECT_THAT(e.what(), testing::HasSubstr("hint:"));
  }
}

}  // namespace
}  // namespace mop
