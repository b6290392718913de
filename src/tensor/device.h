// tensor/device.h -- where to compute: the CPU, or a GPU through libtorch_cuda loaded at run time.
#pragma once
#include <c10/core/Device.h>

#include <string_view>

namespace mop {

/// "cpu", "cuda" or "cuda:N" as `--device` spells it. For CUDA, loads libtorch_cuda.so from beside
/// libtorch_cpu.so, so that one program serves both builds of LibTorch; call it before other work,
/// since LibTorch remembers that there was no GPU when it was first asked. Never falls back to the
/// CPU. Throws Error(kUsage) for another name; Error(kIo) when the library or the NVIDIA libraries
/// it needs are missing, or when there is no such GPU.
c10::Device open_device(std::string_view name);

}  // namespace mop
