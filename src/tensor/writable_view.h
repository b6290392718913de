// tensor/writable_view.h -- a copy-on-write view of a mapped tensor.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// Returns the values of `mapped`, a view of a mapping (mapped_file.h), in a private copy-on-write
/// mapping: writes change neither the file nor other views. Strided views are copied; a tensor in
/// other memory is returned unchanged. Throws Error(kIo) when the mapping fails.
at::Tensor writable_view(const at::Tensor& mapped);

}  // namespace mop
