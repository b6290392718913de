// tensor/ggml_blocks.h -- llama.cpp's quantised block formats: neighbouring values of a row share
// scales.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace mop {

/// One format. A row is a whole number of blocks.
struct BlockFormat {
  int64_t values;  ///< per block
  size_t bytes;    ///< per block
  /// Converts `blocks` blocks to floats, bit for bit as the Python package `gguf` does.
  void (*dequantize)(const std::byte* from, size_t blocks, float* to);

  size_t bytes_of(int64_t count) const { return static_cast<size_t>(count / values) * bytes; }
};

extern const BlockFormat kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kIq4Nl, kMxfp4;  // ggml_blocks.cc
extern const BlockFormat kQ2K, kQ3K, kQ4K, kQ5K, kQ6K, kIq4Xs;               // ggml_super_blocks.cc

/// Converts `count` values (whole blocks) to `dtype`, float32 or a 16-bit type, rounding to
/// nearest. Returns false when a value is not finite in `dtype`. Runs on LibTorch's threads.
bool dequantize(const BlockFormat& format, const std::byte* from, int64_t count, DType dtype,
                std::byte* to);

/// Quantises `values` (a multiple of 32) finite floats to q8_0: scale = max|x| / 127 rounded to
/// half precision, q = x / scale rounded half away from zero. Gives the same bytes as llama.cpp.
void quantize_q8_0(const float* from, int64_t values, std::byte* to);

}  // namespace mop
