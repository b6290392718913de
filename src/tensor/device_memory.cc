// tensor/device_memory.cc -- how much memory a device has.
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "base/amounts.h"
#include "base/error.h"
#include "tensor/cuda_driver.h"
#include "tensor/device.h"

namespace c10 {
struct DeviceAllocator;  // LibTorch before 2.8 has none
}

namespace mop {
namespace {

struct Probe {
  std::mutex mutex;
  DeviceMemoryProbe function;
};
Probe& probe() {
  static Probe the_one;
  return the_one;
}

// Memory that LibTorch's allocator holds on a device.
struct Held {
  int64_t used = 0;    // in live tensors
  int64_t unused = 0;  // cached for later tensors
};

template <typename Allocator>
Held held_by_allocator(c10::Device device) {
  if constexpr (requires { sizeof(Allocator); }) {
    auto* allocator = dynamic_cast<Allocator*>(c10::GetAllocator(device.type()));
    if (allocator == nullptr || !allocator->initialized()) return {};
    const auto stats = allocator->getDeviceStats(std::max<c10::DeviceIndex>(0, device.index()));
    // Entry 0 is the sum over all pools.
    const int64_t used = stats.allocated_bytes[0].current;
    return {used, std::max<int64_t>(0, stats.reserved_bytes[0].current - used)};
  } else {
    return {};
  }
}

Held held(c10::Device device) {
  try {
    return held_by_allocator<c10::DeviceAllocator>(device);
  } catch (const std::exception&) {
    return {};  // an allocator without statistics
  }
}

std::optional<DeviceMemory> real_memory(c10::Device device) {
  if (device.is_cuda()) {
    const auto memory = cuda_memory(std::max<int>(0, device.index()));
    if (!memory) return std::nullopt;
    return DeviceMemory{memory->first, memory->second};
  }
  Probe& registered = probe();
  const std::lock_guard lock(registered.mutex);
  return registered.function ? registered.function(device) : std::nullopt;
}

}  // namespace

int64_t bytes_from_text(std::string_view name, std::string_view text) {
  const double bytes = number_with_unit(text, kByteUnits).value_or(0);
  if (!(bytes >= 1) || !(bytes < 9e18)) {
    throw usage_error("{} is not a size of memory: '{}'", name, text)
        .hint("a number of bytes, or one with a unit: 16e9, 16GB, 20GiB, 512MiB");
  }
  return static_cast<int64_t>(bytes);
}

std::optional<int64_t> device_memory_limit() {
  const char* text = std::getenv("MOP_DEVICE_MEMORY");
  if (text == nullptr || *text == '\0') return std::nullopt;
  return bytes_from_text("MOP_DEVICE_MEMORY", text);
}

void set_device_memory_probe(DeviceMemoryProbe function) {
  Probe& registered = probe();
  const std::lock_guard lock(registered.mutex);
  registered.function = std::move(function);
}

std::optional<DeviceMemory> device_memory(c10::Device device) {
  if (device.is_cpu()) return std::nullopt;
  const std::optional<int64_t> limit = device_memory_limit();
  std::optional<DeviceMemory> memory = real_memory(device);
  if (!memory) return std::nullopt;
  const Held ours = device.is_cuda() ? held(device) : Held{};
  memory->free_bytes += ours.unused;
  if (limit) {
    memory->total_bytes = std::min(memory->total_bytes, *limit);
    memory->free_bytes = std::min(memory->free_bytes, std::max<int64_t>(0, *limit - ours.used));
  }
  return memory;
}

}  // namespace mop
