// tensor/q8_0.h -- llama.cpp's q8_0: blocks of 32 values that share one scale, 34 bytes each.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mop {

inline constexpr int64_t kQ8BlockValues = 32;
inline constexpr size_t kQ8BlockBytes = 34;  ///< a half-precision scale, then 32 signed bytes

/// Bytes of `values` values. Rows must hold whole blocks.
inline constexpr size_t q8_0_bytes(int64_t values) {
  return static_cast<size_t>(values / kQ8BlockValues) * kQ8BlockBytes;
}

/// `values` (a multiple of 32) finite floats to blocks: scale = max|x| / 127 rounded to half
/// precision, q = x / scale rounded half away from zero. The same bytes as llama.cpp's quantiser.
void quantize_q8_0(const float* from, int64_t values, std::byte* to);

/// Blocks to floats, exactly scale * q.
void dequantize_q8_0(const std::byte* from, int64_t values, float* to);

}  // namespace mop
