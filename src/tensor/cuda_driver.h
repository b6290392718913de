// tensor/cuda_driver.h -- NVIDIA's driver and run-time compiler (NVRTC), found when they are first
// asked for: neither their headers nor their libraries are needed to build or to run on a CPU. Both
// stay loaded for good. Every call may come from any thread; the thread's current CUDA context is
// what it was before.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace mop {

/// Free and total bytes of a GPU's memory; nothing when there is no driver or no such GPU. What
/// LibTorch's allocator holds in reserve is not free.
std::optional<std::pair<int64_t, int64_t>> cuda_memory(int device);

namespace cuda {

/// Whether NVRTC is found.
bool can_compile();

/// The real architecture to compile for: the GPU's own, or else the newest that NVRTC knows whose
/// programs the GPU runs ("sm_90"). Throws Error(kIo) when there is no driver, no NVRTC or no such
/// architecture.
std::string architecture(int device);
/// The architectures that NVRTC knows, as numbers (90 is sm_90), ascending; empty without NVRTC.
std::span<const int> known_architectures();

/// CUDA C++ -> machine code (CUBIN). `name` stands in the compiler's messages; `macros` are defined
/// as 1. Throws Error(kIo) without NVRTC, Error(kInternal) with the compiler's log when it refuses.
std::string compile(const std::string& source, const std::string& name,
                    const std::string& architecture, std::span<const std::string> macros = {});

/// A kernel on one GPU; lives as long as the process.
struct Function {
  int device = 0;
  void* handle = nullptr;
};
/// Loads machine code onto a GPU, for good. Throws Error(kIo) with the driver's reason.
void* load_module(int device, const std::string& cubin);
/// Throws Error(kInternal) when the module has no such kernel.
Function find_function(int device, void* module, const char* name);

/// How many blocks, and threads of each.
struct Grid {
  int64_t blocks_x = 1, blocks_y = 1;
  int threads = 1;
};
/// Starts a kernel in the stream in which LibTorch works on this GPU at the moment. `arguments`
/// point to the values that the kernel takes. Throws Error(kIo) with the driver's reason.
void launch(const Function& function, const Grid& grid, std::span<void*> arguments);

}  // namespace cuda
}  // namespace mop
