// tensor/gather.h -- selects rows or columns of a matrix, in parallel, into reusable memory.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace mop {

/// Returns a contiguous CPU tensor of dtype `dtype` with the elements `index` (ascending) along
/// `axis` of the contiguous CPU tensor `source`. The conversion is fused. Not differentiable.
/// Always copies, even when `index` is complete. Uses the memory of `reuse` when it is defined, has
/// dtype `dtype` and enough bytes. Throws Error(kInternal) on a bad index, axis or layout.
at::Tensor gather(const at::Tensor& source, int64_t axis, std::span<const int32_t> index,
                  DType dtype, at::Tensor reuse = {});

}  // namespace mop
