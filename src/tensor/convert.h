// tensor/convert.h -- runs of elements from one dtype to another.
#pragma once
#include <cstddef>

#include "tensor/dtype.h"

namespace mop {

/// Converts `count` elements from `from` to `to`, which do not overlap. `from` may be misaligned.
using Convert = void (*)(const std::byte* from, std::byte* to, size_t count);

/// The function between two dtypes: a copy when equal; F32, F16, BF16 and F64 to each other,
/// rounding to nearest, ties to even. Throws Error(kBadInput) for a dtype we cannot compute with.
Convert find_convert(DType from, DType to);

}  // namespace mop
