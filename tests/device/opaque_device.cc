// device/opaque_device.cc -- the device as LibTorch knows it, and its counters.
#include "device/opaque_device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "device/device_state.h"
#include "tensor/device.h"

namespace mop::testing {
namespace opaque {
namespace {

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  bool isPinnedPtr(const void* data) const override { return is_pinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory(); }
  // Seeded with the CPU's, and never drawn from: operations with a generator are refused.
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const at::Generator generator = at::detail::createCPUGenerator();
    return generator;
  }
  at::Device getDeviceFromPtr(void*) const override { return kDevice; }
};

// A GPU tells what is left of its memory; without a limit this device does not tell.
std::optional<DeviceMemory> tell_memory(c10::Device device) {
  const std::lock_guard lock(state().mutex);
  const int64_t limit = state().limit_bytes, live = state().traffic.live_bytes;
  if (device.type() != kOpaque || limit == INT64_MAX) return std::nullopt;
  return DeviceMemory{std::max<int64_t>(0, limit - live), limit};
}

void register_device() {
  c10::register_privateuse1_backend("opaque");
  c10::SetAllocator(kOpaque, &device_memory());
  register_streams();
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
  register_operations();
  set_device_memory_probe(&tell_memory);
}

}  // namespace
}  // namespace opaque

c10::Device opaque_device() {
  static const bool registered = (opaque::register_device(), true);
  static_cast<void>(registered);
  return opaque::kDevice;
}

Traffic traffic() {
  const std::lock_guard lock(opaque::state().mutex);
  return opaque::state().traffic;
}

Traffic start_measuring() {
  const std::lock_guard lock(opaque::state().mutex);
  Traffic& now = opaque::state().traffic;
  now.peak_bytes = now.live_bytes;
  return now;
}

Traffic since(const Traffic& start) {
  Traffic past = traffic();
  past.uploads -= start.uploads;
  past.upload_bytes -= start.upload_bytes;
  past.pageable_bytes -= start.pageable_bytes;
  past.downloads -= start.downloads;
  past.download_bytes -= start.download_bytes;
  past.scalars -= start.scalars;
  past.waits -= start.waits;
  past.operations -= start.operations;
  past.live_bytes -= start.live_bytes;
  past.peak_bytes -= start.live_bytes;
  for (const auto& [name, times] : start.by_operation) {
    if ((past.by_operation[name] -= times) == 0) past.by_operation.erase(name);
  }
  return past;
}

std::string Traffic::text() const {
  std::string text = fmt::format(
      "{} uploads of {} bytes ({} pageable), {} downloads of {} bytes, {} scalars, {} waits, {} "
      "bytes kept, {} at the most, {} operations:",
      uploads, upload_bytes, pageable_bytes, downloads, download_bytes, scalars, waits, live_bytes,
      peak_bytes, operations);
  for (const auto& [name, times] : by_operation) text += fmt::format(" {} {}", name, times);
  return text;
}

MemoryLimit::MemoryLimit(int64_t more_bytes) {
  const std::lock_guard lock(opaque::state().mutex);
  earlier_ = opaque::state().limit_bytes;
  opaque::state().limit_bytes = opaque::state().traffic.live_bytes + more_bytes;
}

MemoryLimit::~MemoryLimit() {
  const std::lock_guard lock(opaque::state().mutex);
  opaque::state().limit_bytes = earlier_;
}

std::vector<std::string> take_hazards() {
  const std::lock_guard lock(opaque::state().mutex);
  return std::exchange(opaque::state().hazards, {});
}

}  // namespace mop::testing
