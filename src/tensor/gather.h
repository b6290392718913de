// tensor/gather.h -- selecting rows and columns of a matrix, in parallel, into memory that is
// reused.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace mop {

/// Elements `index` (rising) of axis `axis` of the contiguous CPU tensor `source`, as a contiguous
/// tensor of dtype `dtype`; the conversion is fused. Differentiability is not needed here: the
/// result is a plain CPU tensor, always a copy, even when nothing is left out. When `reuse` is
/// defined and its storage has at least the needed bytes and its dtype is `dtype`, its memory is
/// used. Throws Error(kInternal) on a bad index, axis or layout.
at::Tensor gather(const at::Tensor& source, int64_t axis, std::span<const int32_t> index,
                  DType dtype, at::Tensor reuse = {});

}  // namespace mop
