// tensor/ggml_blocks.cc -- formats with blocks of 32 values, and functions for all formats.
#include "tensor/ggml_blocks.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>

#include "tensor/convert.h"
#include "tensor/ggml_block_loop.h"

namespace mop {
namespace {

constexpr int kHalf = 16;         // the low halves of 16 bytes are the first 16 values of a block
constexpr int64_t kValues = 32;   // per block
constexpr int64_t kPiece = 8192;  // values converted at a time; fits the cache
constexpr int64_t kGrainPieces = 8;  // pieces per thread
constexpr int64_t kGrain = 4096;     // blocks per thread when quantising

inline void q4_0(const uint8_t* from, float* to) {
  const float scale = half_at(from);
  for (int i = 0; i < kHalf; ++i) {
    to[i] = scale * static_cast<float>((from[2 + i] & 15) - 8);
    to[i + kHalf] = scale * static_cast<float>((from[2 + i] >> 4) - 8);
  }
}

inline void q4_1(const uint8_t* from, float* to) {
  const float scale = half_at(from), least = half_at(from + 2);
  for (int i = 0; i < kHalf; ++i) {
    to[i] = scale * static_cast<float>(from[4 + i] & 15) + least;
    to[i + kHalf] = scale * static_cast<float>(from[4 + i] >> 4) + least;
  }
}

// The fifth bits of all 32 values are stored together.
inline void five_bits(const uint8_t* high, const uint8_t* low, int* to) {
  uint32_t bits;
  std::memcpy(&bits, high, sizeof bits);
  for (int i = 0; i < kHalf; ++i) {
    to[i] = (low[i] & 15) | static_cast<int>(((bits >> i) & 1) << 4);
    to[i + kHalf] = (low[i] >> 4) | static_cast<int>(((bits >> (i + kHalf)) & 1) << 4);
  }
}

inline void q5_0(const uint8_t* from, float* to) {
  const float scale = half_at(from);
  int quants[kValues];
  five_bits(from + 2, from + 6, quants);
  for (int i = 0; i < kValues; ++i) to[i] = scale * static_cast<float>(quants[i] - 16);
}

inline void q5_1(const uint8_t* from, float* to) {
  const float scale = half_at(from), least = half_at(from + 2);
  int quants[kValues];
  five_bits(from + 4, from + 8, quants);
  for (int i = 0; i < kValues; ++i) to[i] = scale * static_cast<float>(quants[i]) + least;
}

inline void q8_0(const uint8_t* from, float* to) {
  const float scale = half_at(from);
  for (int i = 0; i < kValues; ++i) {
    to[i] = scale * static_cast<float>(static_cast<int8_t>(from[2 + i]));
  }
}

inline void by_levels(float scale, const int8_t* levels, const uint8_t* quants, float* to) {
  for (int i = 0; i < kHalf; ++i) {
    to[i] = scale * static_cast<float>(levels[quants[i] & 15]);
    to[i + kHalf] = scale * static_cast<float>(levels[quants[i] >> 4]);
  }
}

inline void iq4_nl(const uint8_t* from, float* to) {
  by_levels(half_at(from), kIq4Levels, from + 2, to);
}

// OCP microscaling: a power-of-two scale for E2M1 values. The table holds doubled values and the
// scale is halved.
inline void mxfp4(const uint8_t* from, float* to) {
  constexpr int8_t kLevels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const uint32_t exponent = from[0];
  const uint32_t bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
  by_levels(std::bit_cast<float>(bits), kLevels, from + 1, to);
}

void quantize_block(const float* from, std::byte* to) {
  float largest = 0;
  for (int64_t i = 0; i < kValues; ++i) largest = std::max(largest, std::fabs(from[i]));
  const float scale = largest / 127.0f;
  const float inverse = scale == 0 ? 0.0f : 1.0f / scale;
  const c10::Half half = scale;
  std::memcpy(to, &half, sizeof half);
  auto* quants = reinterpret_cast<int8_t*>(to + sizeof half);
  for (int64_t i = 0; i < kValues; ++i) {
    quants[i] = static_cast<int8_t>(std::round(from[i] * inverse));
  }
}

// Returns the largest float that does not round to infinity in `dtype`.
float largest_finite(DType dtype) {
  if (dtype == at::kHalf) return std::bit_cast<float>(0x477fefffu);  // the float just below 65520
  if (dtype == at::kBFloat16) return std::bit_cast<float>(0x7f7f7fffu);
  return std::numeric_limits<float>::max();
}

MOP_CLONES bool all_within(const float* values, int64_t count, float limit) {
  int outside = 0;  // comparisons with NaN are false, so NaN counts as outside
  for (int64_t i = 0; i < count; ++i) outside |= !(std::fabs(values[i]) <= limit);
  return outside == 0;
}

}  // namespace

const BlockFormat kQ4_0 = block_format<q4_0, kValues, 18>();
const BlockFormat kQ4_1 = block_format<q4_1, kValues, 20>();
const BlockFormat kQ5_0 = block_format<q5_0, kValues, 22>();
const BlockFormat kQ5_1 = block_format<q5_1, kValues, 24>();
const BlockFormat kQ8_0 = block_format<q8_0, kValues, 34>();
const BlockFormat kIq4Nl = block_format<iq4_nl, kValues, 18>();
const BlockFormat kMxfp4 = block_format<mxfp4, kValues, 17>();

bool dequantize(const BlockFormat& format, const std::byte* from, int64_t count, DType dtype,
                std::byte* to) {
  const Convert convert = find_convert(at::kFloat, dtype);
  const float limit = largest_finite(dtype);
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  std::atomic<bool> finite = true;
  at::parallel_for(0, pieces, kGrainPieces, [&](int64_t begin, int64_t end) {
    alignas(64) float values[kPiece];
    for (int64_t at = begin * kPiece; at < std::min(end * kPiece, count); at += kPiece) {
      const int64_t n = std::min(kPiece, count - at);
      format.dequantize(from + format.bytes_of(at), static_cast<size_t>(n / format.values), values);
      if (!all_within(values, n, limit)) finite = false;
      convert(reinterpret_cast<const std::byte*>(values),
              to + static_cast<size_t>(at) * dtype_bytes(dtype), static_cast<size_t>(n));
    }
  });
  return finite;
}

void quantize_q8_0(const float* from, int64_t values, std::byte* to) {
  at::parallel_for(0, values / kValues, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      quantize_block(from + block * kValues, to + static_cast<size_t>(block) * kQ8_0.bytes);
    }
  });
}

}  // namespace mop
