// tensor/cuda_driver.h -- NVIDIA's driver and run-time compiler (NVRTC), loaded with dlopen on
// first use. Neither headers nor libraries are needed to build the program or to run it on a CPU.
// Both stay loaded. Every function is thread-safe and restores the thread's current CUDA context.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace mop {

/// Free and total bytes of a GPU's memory; nullopt when there is no driver or no such GPU. Memory
/// that LibTorch's allocator caches does not count as free.
std::optional<std::pair<int64_t, int64_t>> cuda_memory(int device);

namespace cuda {

/// Returns whether NVRTC is available.
bool can_compile();

/// Returns the architecture to compile for, "sm_90": the GPU's own, else the newest that NVRTC
/// knows and the GPU can run. Throws Error(kIo) when there is no driver, no NVRTC or no such
/// architecture.
std::string architecture(int device);
/// Returns the architectures that NVRTC knows as ascending numbers (90 is sm_90); empty without
/// NVRTC.
std::span<const int> known_architectures();

/// Compiles CUDA C++ to machine code (CUBIN). `name` is the file name in the compiler's messages;
/// `macros` are defined as 1. Throws Error(kIo) without NVRTC, Error(kInternal) with the compiler's
/// log when compilation fails.
std::string compile(const std::string& source, const std::string& name,
                    const std::string& architecture, std::span<const std::string> macros = {});

/// A kernel on one GPU; valid until the process ends.
struct Function {
  int device = 0;
  void* handle = nullptr;
};
/// Loads machine code onto a GPU; it is never unloaded. Throws Error(kIo) with the driver's reason.
void* load_module(int device, const std::string& cubin);
/// Throws Error(kInternal) when the module has no kernel `name`.
Function find_function(int device, void* module, const char* name);

/// Number of blocks, and threads per block.
struct Grid {
  int64_t blocks_x = 1, blocks_y = 1;
  int threads = 1;
};
/// Starts a kernel in LibTorch's current stream on this GPU. `arguments` point to the values of the
/// kernel's parameters. Throws Error(kIo) with the driver's reason.
void launch(const Function& function, const Grid& grid, std::span<void*> arguments);

}  // namespace cuda
}  // namespace mop
