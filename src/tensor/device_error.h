// tensor/device_error.h -- what LibTorch, CUDA and the allocators throw, as one clear error.
#pragma once
#include <c10/core/Device.h>

#include <exception>
#include <optional>
#include <string>

#include "base/error.h"

namespace mop {

/// What was being done when an exception came, for the user.
struct Doing {
  std::string what;   ///< "step 7 of the training"; empty = not said
  std::string lower;  ///< what takes less memory here; empty = what helps everywhere
  std::optional<c10::Device> device = {};  ///< where, when it is known
};

/// Whether it says that memory ran out: of a device (LibTorch's allocator, CUDA, cuBLAS, cuDNN, the
/// driver) or of the host.
bool is_out_of_memory(const std::exception& e);

/// The user's error for an exception of LibTorch, CUDA or an allocator: one subject, the first line
/// of the cause, what to do; never a backtrace (LibTorch's own switch TORCH_SHOW_CPP_STACKTRACES=1
/// adds it). Error(kIo) when memory ran out or the device failed, Error(kInternal) for any other
/// refusal of LibTorch. Empty for exceptions of others, mop::Error among them.
std::optional<Error> device_error(const std::exception& e, const Doing& doing = {});

}  // namespace mop
