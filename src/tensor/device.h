// tensor/device.h -- where to compute: the CPU, or a GPU through libtorch_cuda loaded at run time,
// and how much memory there is.
#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace mop {

/// "cpu", "cuda" or "cuda:N" as `--device` spells it, or the name of an accelerator that the
/// program around us registered with LibTorch as its PrivateUse1 backend (its first device). For
/// CUDA, loads libtorch_cuda.so from beside libtorch_cpu.so, so that one program serves both builds
/// of LibTorch; call it before other work, since LibTorch remembers that there was no GPU when it
/// was first asked. Never falls back to the CPU. Throws Error(kUsage) for another name; Error(kIo)
/// when the library or the NVIDIA libraries it needs are missing, or when there is no such GPU.
c10::Device open_device(std::string_view name);

/// Memory of a device in bytes.
struct DeviceMemory {
  int64_t free_bytes = 0;   ///< what this process can still have, its allocator's unused blocks
                            ///< included
  int64_t total_bytes = 0;  ///< what there is
};

/// What `device` has, held to the limit of the environment variable MOP_DEVICE_MEMORY ("20GiB",
/// "16e9"): with a limit, `total_bytes` is at most the limit and `free_bytes` at most what this
/// process has left of it. Empty for the CPU and where it cannot be found out. Throws Error(kUsage)
/// when MOP_DEVICE_MEMORY is not a size.
std::optional<DeviceMemory> device_memory(c10::Device device);

/// The limit of MOP_DEVICE_MEMORY; empty when it is not set. Throws Error(kUsage).
std::optional<int64_t> device_memory_limit();

/// "20GiB", "512 MiB", "16e9", "1.5GB" in bytes: a number above 0 and B, kB, MB, GB, TB, KiB, MiB,
/// GiB, TiB or nothing. Throws Error(kUsage) naming `name` for anything else.
int64_t bytes_from_text(std::string_view name, std::string_view text);

/// Who answers for accelerators other than CUDA; an empty function takes the answer away. A fact
/// of the process, set by the program that registers such a device.
using DeviceMemoryProbe = std::function<std::optional<DeviceMemory>(c10::Device)>;
void set_device_memory_probe(DeviceMemoryProbe probe);

}  // namespace mop
