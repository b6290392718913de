// run/runtime.h -- compute device, number of threads, and memory of the process.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "model/weights.h"

namespace mop {

/// Sets the number of compute threads; 0 = LibTorch's default (all cores, or OMP_NUM_THREADS).
void set_threads(int64_t threads);
int64_t threads_in_use();

/// `dtype`: empty = float32 on the CPU, bfloat16 on a GPU. Throws Error(kUsage) for unknown names,
/// Error(kIo) if there is no such device.
Compute open_compute(const std::string& device, const std::string& dtype);

/// Returns cached free memory to the operating system.
void release_memory();

}  // namespace mop
