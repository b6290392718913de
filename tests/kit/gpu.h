// tests/kit/gpu.h -- fixture for tests that need a GPU.
#pragma once
#include <c10/core/Device.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "tensor/device.h"

namespace mop::testing {

/// The first GPU, opened once, or the reason why there is none.
struct Gpu {
  std::optional<c10::Device> device;
  std::string reason;
};
inline const Gpu& gpu() {
  static const Gpu found = [] {
    try {
      return Gpu{open_device("cuda"), ""};
    } catch (const Error& error) {
      const std::string text = error.what();
      return Gpu{std::nullopt, text.substr(0, text.find('\n'))};
    }
  }();
  return found;
}

/// Skips the test when there is no GPU. Tests named OnCuda.* use this fixture.
class OnCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!gpu().device) GTEST_SKIP() << gpu().reason;
  }
  static c10::Device device() { return *gpu().device; }
};

}  // namespace mop::testing
