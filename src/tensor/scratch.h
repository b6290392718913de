// tensor/scratch.h -- computed values that lie in files rather than in memory.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>

namespace mop {

/// A read-only view of a copy of `value` (CPU) in a file of `folder` that has no name any more: the
/// system writes its pages to the disk when memory is short, and its space is free again when the
/// last view is gone. Throws Error(kIo) when the folder cannot be written or is full.
at::Tensor in_scratch(const at::Tensor& value, const std::filesystem::path& folder);

}  // namespace mop
