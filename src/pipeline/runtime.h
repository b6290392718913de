// pipeline/runtime.h -- where to compute, with how many threads, and what the machine has.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "model/weights.h"

namespace mop {

/// Threads to compute with; 0 leaves LibTorch's default (all cores, or OMP_NUM_THREADS).
void set_threads(int64_t threads);
int64_t threads_in_use();

/// `dtype` empty = float32 on the CPU, bfloat16 on a GPU. Throws Error(kUsage) for unknown names,
/// Error(kIo) when there is no such device.
Compute open_compute(const std::string& device, const std::string& dtype);

/// Gives memory that is free, but kept for later use, back to the system.
void release_memory();

}  // namespace mop
