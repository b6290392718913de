// tensor/device_error.h -- converts exceptions of LibTorch, CUDA and allocators to mop::Error.
#pragma once
#include <c10/core/Device.h>

#include <exception>
#include <optional>
#include <string>

#include "base/error.h"

namespace mop {

/// The context of an exception, for the error message.
struct Doing {
  std::string what;  ///< the operation, "step 7 of the training"; empty = unknown
  /// Advice on how to use less memory in this operation; empty = general advice.
  std::string lower;
  std::optional<c10::Device> device = {};  ///< the device, if known
};

/// Returns whether `e` reports exhausted memory: of a device (LibTorch's allocator, CUDA, cuBLAS,
/// cuDNN, the driver) or of the host.
bool is_out_of_memory(const std::exception& e);

/// Converts an exception of LibTorch, CUDA or an allocator: one subject, the first line of the
/// cause, and a hint; no backtrace (LibTorch adds it with TORCH_SHOW_CPP_STACKTRACES=1). Error(kIo)
/// when memory is exhausted or the device failed, Error(kInternal) for other LibTorch errors.
/// nullopt for other exceptions, including mop::Error.
std::optional<Error> device_error(const std::exception& e, const Doing& doing = {});

}  // namespace mop
