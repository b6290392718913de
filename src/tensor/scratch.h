// tensor/scratch.h -- tensors in unnamed files instead of memory.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>

#include "tensor/dtype.h"

namespace mop {

/// Copies `value` (CPU) to an unlinked file in `folder` and returns a read-only mapped view. The
/// system can write its pages to disk when memory is short; the disk space is freed with the last
/// view. Throws Error(kIo) when the folder is not writable or full.
at::Tensor in_scratch(const at::Tensor& value, const std::filesystem::path& folder);

/// Returns writable memory of this kind: zeros of the given shape, contiguous. Reserves the disk
/// space now, so that writes cannot fail later. Throws Error(kIo) as above.
at::Tensor zeros_in_scratch(at::IntArrayRef shape, DType dtype,
                            const std::filesystem::path& folder);

}  // namespace mop
