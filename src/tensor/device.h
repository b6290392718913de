// tensor/device.h -- opens the compute device (the CPU, or a GPU through libtorch_cuda loaded at
// run time) and reports its memory.
#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace mop {

/// Opens "cpu", "cuda" or "cuda:N", as `--device` spells it, or the first device of an accelerator
/// that the program registered as LibTorch's PrivateUse1 backend, by its name. For CUDA, loads
/// libtorch_cuda.so from the folder of libtorch_cpu.so, so that one program works with both builds
/// of LibTorch. Call it before other work, since LibTorch caches that there is no GPU. Never falls
/// back to the CPU. Throws Error(kUsage) for another name; Error(kIo) when the library or the
/// NVIDIA libraries it needs are missing, or when there is no such GPU.
c10::Device open_device(std::string_view name);

/// Memory of a device in bytes.
struct DeviceMemory {
  int64_t free_bytes = 0;   ///< available to this process, including unused blocks of its allocator
  int64_t total_bytes = 0;  ///< installed
};

/// Returns the memory of `device`, limited by the environment variable MOP_DEVICE_MEMORY ("20GiB",
/// "16e9"): `total_bytes` is at most the limit, `free_bytes` at most the part of it that this
/// process does not use. nullopt for the CPU and when unknown. Throws Error(kUsage) when
/// MOP_DEVICE_MEMORY is not a size.
std::optional<DeviceMemory> device_memory(c10::Device device);

/// Returns the value of MOP_DEVICE_MEMORY; nullopt when it is not set. Throws Error(kUsage).
std::optional<int64_t> device_memory_limit();

/// Parses "20GiB", "512 MiB", "16e9", "1.5GB" to bytes: a number above 0 with B, kB, MB, GB, TB,
/// KiB, MiB, GiB, TiB or no unit. Throws Error(kUsage) naming `name` for anything else.
int64_t bytes_from_text(std::string_view name, std::string_view text);

/// Sets the function that reports the memory of accelerators other than CUDA, for the whole
/// process; an empty function removes it. Called by the program that registers such a device.
using DeviceMemoryProbe = std::function<std::optional<DeviceMemory>(c10::Device)>;
void set_device_memory_probe(DeviceMemoryProbe probe);

}  // namespace mop
