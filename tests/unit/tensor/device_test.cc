#include "tensor/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

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

constexpr int64_t kMiB = 1 << 20, kGiB = 1 << 30;
const c10::Device kOther(c10::kPrivateUse1, 0);

// Sets MOP_DEVICE_MEMORY and what an accelerator other than CUDA answers, for one test.
class DeviceMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("MOP_DEVICE_MEMORY");
    set_device_memory_probe([](c10::Device) { return DeviceMemory{6 * kGiB, 8 * kGiB}; });
  }
  void TearDown() override {
    ::unsetenv("MOP_DEVICE_MEMORY");
    set_device_memory_probe(nullptr);
  }
};

TEST(BytesFromText, ReadsNumbersWithAndWithoutUnits) {
  EXPECT_EQ(bytes_from_text("x", "20GiB"), 20 * kGiB);
  EXPECT_EQ(bytes_from_text("x", "512 MiB"), 512 * kMiB);
  EXPECT_EQ(bytes_from_text("x", "16e9"), 16000000000);
  EXPECT_EQ(bytes_from_text("x", "1.5GB"), 1500000000);
  EXPECT_EQ(bytes_from_text("x", "7"), 7);
  EXPECT_EQ(bytes_from_text("x", "3kB"), 3000);
  EXPECT_EQ(bytes_from_text("x", "1TiB"), 1024 * kGiB);
}

TEST(BytesFromText, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GiB", "20G", "20 GiB ", "-1GiB", "0", "nan", "inf", "20gib", "0x10",
                           "1e30", "20GiB,", "20  GiB", " 20GiB", "20 "}) {
    try {
      bytes_from_text("MOP_DEVICE_MEMORY", text);
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage) << text;
      EXPECT_THAT(e.what(), testing::HasSubstr("MOP_DEVICE_MEMORY is not a size of memory: '" +
                                               std::string(text) + "'"));
      EXPECT_THAT(e.what(), testing::HasSubstr("hint: "));
    }
  }
}

TEST_F(DeviceMemoryTest, TheCpuHasNoneOfItsOwn) {
  EXPECT_FALSE(device_memory(c10::kCPU).has_value());
}

TEST_F(DeviceMemoryTest, AnotherDeviceAnswersThroughItsProbe) {
  const auto memory = device_memory(kOther);
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->free_bytes, 6 * kGiB);
  EXPECT_EQ(memory->total_bytes, 8 * kGiB);
  set_device_memory_probe(nullptr);
  EXPECT_FALSE(device_memory(kOther).has_value());
}

TEST_F(DeviceMemoryTest, TheLimitHoldsWhereItIsSmaller) {
  ::setenv("MOP_DEVICE_MEMORY", "7GiB", 1);
  EXPECT_EQ(device_memory(kOther)->free_bytes, 6 * kGiB);
  EXPECT_EQ(device_memory(kOther)->total_bytes, 7 * kGiB);
  ::setenv("MOP_DEVICE_MEMORY", "1e9", 1);
  EXPECT_EQ(device_memory(kOther)->free_bytes, 1000000000);
  EXPECT_EQ(device_memory(kOther)->total_bytes, 1000000000);
  ::setenv("MOP_DEVICE_MEMORY", "", 1);
  EXPECT_EQ(device_memory(kOther)->free_bytes, 6 * kGiB);
}

TEST_F(DeviceMemoryTest, ALimitThatIsNoSizeIsRefused) {
  ::setenv("MOP_DEVICE_MEMORY", "half", 1);
  EXPECT_THROW(device_memory(kOther), Error);
}

}  // namespace
}  // namespace mop
