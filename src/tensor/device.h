// tensor/device.h -- where to compute: the CPU, or a GPU through libtorch_cuda loaded at run time.
#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace mop {

/// "cpu", "cuda" or "cuda:N" as `--device` spells it. For CUDA, loads libtorch_cuda.so from beside
/// libtorch_cpu.so, so that one program serves both builds of LibTorch; call it before other work,
/// since LibTorch remembers that there was no GPU when it was first asked. Never falls back to the
/// CPU. Throws Error(kUsage) for another name; Error(kIo) when the library or the NVIDIA libraries
/// it needs are missing, or when there is no such GPU.
c10::Device open_device(std::string_view name);

/// Memory of a device, all processes together.
struct DeviceMemory {
  int64_t free_bytes, total_bytes;
};
/// What `device` tells now; nothing for the CPU and for a device that does not tell.
std::optional<DeviceMemory> device_memory(c10::Device device);

}  // namespace mop
