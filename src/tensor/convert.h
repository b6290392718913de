// tensor/convert.h -- converts arrays from one dtype to another.
#pragma once
#include <cstddef>

#include "tensor/dtype.h"

namespace mop {

/// Converts `count` elements. `from` and `to` must not overlap; `from` may be misaligned.
using Convert = void (*)(const std::byte* from, std::byte* to, size_t count);

/// Returns the conversion between two of F32, F16, BF16 and F64 (round to nearest, ties to even),
/// or a copy for equal dtypes. Throws Error(kBadInput) for other dtypes.
Convert find_convert(DType from, DType to);

}  // namespace mop
