#include "tensor/device_error.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "tensor/device.h"

namespace mop {
namespace {

using testing::HasSubstr;
using testing::Not;
constexpr int64_t kMebibyte = 1 << 20;

template <typename Exception>
Exception thrown(const std::string& text) {
  return Exception({"function", "file.cpp", 7}, text);
}

constexpr const char* kCudaText =
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 1 has a total capacity of 79.10 GiB of "
    "which 12.50 MiB is free. Process 7 has 79.00 GiB memory in use.";

TEST(DeviceError, OutOfMemoryIsOneErrorWithItsNumbers) {
  ::unsetenv("MOP_DEVICE_MEMORY");
  const auto error =
      device_error(thrown<c10::OutOfMemoryError>(kCudaText), {"step 7 of the training", "", {}});
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kIo);
  EXPECT_STREQ(
      error->what(),
      "the device ran out of memory\n"
      "  device: cuda:1\n"
      "  needed: 20.00 GiB more\n"
      "  free:   12.50 MiB of 79.10 GiB\n"
      "  while:  step 7 of the training\n"
      "  hint:   fewer or shorter samples, a smaller --batch, --dtype bfloat16, or another "
      "device; with a smaller MOP_DEVICE_MEMORY (now not set) weights stream instead of "
      "staying on the device");
}

TEST(DeviceError, MemoryThatLibrariesLackIsTheSameError) {
  set_device_memory_probe([](c10::Device) { return DeviceMemory{3 * kMebibyte, 64 * kMebibyte}; });
  for (const char* text :
       {"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory\nSearch for it",
        "CUDA driver error: out of memory"}) {
    const auto error =
        device_error(thrown<c10::Error>(text), {"", "lower it", c10::Device(c10::kPrivateUse1, 0)});
    ASSERT_TRUE(error.has_value()) << text;
    EXPECT_EQ(error->message(), "the device ran out of memory") << text;
    EXPECT_THAT(error->what(), HasSubstr("free:   3 MiB of 64 MiB")) << text;
    EXPECT_THAT(error->what(), HasSubstr("hint:   lower it")) << text;
    EXPECT_THAT(error->what(), Not(HasSubstr("Search for it")));
    EXPECT_TRUE(is_out_of_memory(thrown<c10::Error>(text)));
  }
  set_device_memory_probe(nullptr);
}

TEST(DeviceError, TheHostsMemoryIsAnErrorOfItsOwn) {
  const auto error = device_error(std::bad_alloc());
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message(), "out of memory: the machine has none left");
  const auto allocator = device_error(thrown<c10::Error>(
      "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: "
      "you tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)"));
  ASSERT_TRUE(allocator.has_value());
  EXPECT_THAT(allocator->what(), HasSubstr("needed: 4096 bytes more"));
  EXPECT_TRUE(is_out_of_memory(*allocator));
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
}

TEST(DeviceError, AFailedDeviceIsOneLineAndAdvice) {
  const auto hint_of = [](const std::string& text) {
    const auto error = device_error(thrown<c10::Error>(text));
    EXPECT_TRUE(error.has_value()) << text;
    EXPECT_EQ(error->kind(), ErrorKind::kIo) << text;
    EXPECT_EQ(error->message(), "the device failed: " + text.substr(0, text.find('\n')));
    EXPECT_FALSE(is_out_of_memory(thrown<c10::Error>(text))) << text;
    return std::string(error->what());
  };
  EXPECT_THAT(hint_of("CUDA error: an illegal memory access was encountered\nCUDA kernel errors"),
              HasSubstr("CUDA_LAUNCH_BLOCKING=1"));
  EXPECT_THAT(hint_of("CUDA error: no kernel image is available for execution on the device"),
              HasSubstr("names its architecture"));
  EXPECT_THAT(hint_of("CUDA error: uncorrectable ECC error encountered"), HasSubstr("nvidia-smi"));
  EXPECT_THAT(hint_of("CUDA error: unspecified launch failure"), HasSubstr("Xid"));
}

TEST(DeviceError, OtherRefusalsOfLibTorchAreOneLineWithoutTheirTrace) {
  ::unsetenv("TORCH_SHOW_CPP_STACKTRACES");
  try {
    TORCH_CHECK(false, "sizes differ\nsecond line");
  } catch (const std::exception& e) {
    const auto error = device_error(e);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->kind(), ErrorKind::kInternal);
    EXPECT_STREQ(error->what(),
                 "LibTorch refused: sizes differ\n"
                 "  hint: TORCH_SHOW_CPP_STACKTRACES=1 shows where");
    ::setenv("TORCH_SHOW_CPP_STACKTRACES", "1", 1);
    EXPECT_THAT(device_error(e)->what(), HasSubstr("second line"));
    ::unsetenv("TORCH_SHOW_CPP_STACKTRACES");
  }
}

TEST(DeviceError, SaysWhatTheFileSystemRefusedInOneLine) {
  const std::filesystem::filesystem_error e("cannot remove all", "/a/b",
                                            std::make_error_code(std::errc::io_error));
  const auto error = device_error(e);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kIo);
  EXPECT_STREQ(error->what(), "cannot remove all: Input/output error\n  path: /a/b");
}

struct OfACallback : std::exception {
  const char* what() const noexcept override {
    return "torch.OutOfMemoryError: CUDA out of memory";
  }
};

TEST(DeviceError, LeavesOtherExceptionsAlone) {
  EXPECT_FALSE(device_error(OfACallback()).has_value());
  EXPECT_FALSE(is_out_of_memory(OfACallback()));
  EXPECT_FALSE(device_error(std::runtime_error("no such key")).has_value());
  EXPECT_FALSE(device_error(io_error("the disk is full")).has_value());
  EXPECT_FALSE(is_out_of_memory(io_error("the disk is full")));
}

}  // namespace
}  // namespace mop
