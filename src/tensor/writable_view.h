// tensor/writable_view.h -- a mapped tensor for those who may write to what they are given.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// The same values as `mapped`, a view of a mapping (mapped_file.h), in a mapping of its own: pages
/// are those of the file until they are written to, then private copies. What is written reaches
/// neither the file nor anybody else. Strided views are copied; a tensor in other memory is
/// returned as it is. Throws Error(kIo) when the system has no room for the mapping.
at::Tensor writable_view(const at::Tensor& mapped);

}  // namespace mop
