// tensor/scratch.h -- computed values that lie in files rather than in memory.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>

#include "tensor/dtype.h"

namespace mop {

/// A read-only view of a copy of `value` (CPU) in a file of `folder` that has no name any more: the
/// system writes its pages to the disk when memory is short, and its space is free again when the
/// last view is gone. Throws Error(kIo) when the folder cannot be written or is full.
at::Tensor in_scratch(const at::Tensor& value, const std::filesystem::path& folder);

/// Such memory to write to, zeros at first: [shape], contiguous. What is written reaches nobody
/// else. Throws Error(kIo) as above, now and not when the disk is full later.
at::Tensor zeros_in_scratch(at::IntArrayRef shape, DType dtype,
                            const std::filesystem::path& folder);

}  // namespace mop
