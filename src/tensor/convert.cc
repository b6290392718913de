// tensor/convert.cc
#include "tensor/convert.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "tensor/clones.h"

namespace mop {
namespace {

template <size_t kBytes>
void copy(const std::byte* from, std::byte* to, size_t count) {
  std::memcpy(to, from, count * kBytes);
}

template <typename T>
T load(const std::byte* from, size_t i) {
  T value;
  std::memcpy(&value, from + i * sizeof(T), sizeof(T));
  return value;
}
template <typename T>
void store(std::byte* to, size_t i, T value) {
  std::memcpy(to + i * sizeof(T), &value, sizeof(T));
}

// The most common conversion uses integer operations, which every compiler vectorises.
MOP_CLONES void bfloat16_to_float(const std::byte* from, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    store<uint32_t>(to, i, static_cast<uint32_t>(load<uint16_t>(from, i)) << 16);
  }
}

MOP_CLONES void float_to_bfloat16(const std::byte* from, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const auto bits = load<uint32_t>(from, i);
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    store<uint16_t>(to, i, nan ? uint16_t{0x7fc0} : static_cast<uint16_t>(rounded));
  }
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) void half_to_float_f16c(const std::byte* from, std::byte* to,
                                                            size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * 2));
    _mm256_storeu_ps(reinterpret_cast<float*>(to) + i, _mm256_cvtph_ps(half));
  }
  for (; i < count; ++i) store<float>(to, i, _cvtsh_ss(load<uint16_t>(from, i)));
}

__attribute__((target("avx,f16c"))) void float_to_half_f16c(const std::byte* from, std::byte* to,
                                                            size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 single = _mm256_loadu_ps(reinterpret_cast<const float*>(from) + i);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * 2),
                     _mm256_cvtps_ph(single, _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < count; ++i) {
    store<uint16_t>(to, i, _cvtss_sh(load<float>(from, i), _MM_FROUND_TO_NEAREST_INT));
  }
}
#endif

template <typename From, typename To>
void plain(const std::byte* from, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    store<To>(to, i, static_cast<To>(static_cast<float>(load<From>(from, i))));
  }
}

// Converts between bfloat16 and float16 through a block of float32 that stays in the cache.
template <Convert& kFirst, Convert& kSecond, size_t kFromBytes, size_t kToBytes>
void through_float(const std::byte* from, std::byte* to, size_t count) {
  alignas(64) std::byte block[1024 * sizeof(float)];
  for (size_t i = 0; i < count; i += 1024) {
    const size_t n = std::min<size_t>(1024, count - i);
    kFirst(from + i * kFromBytes, block, n);
    kSecond(block, to + i * kToBytes, n);
  }
}

bool has_f16c() {
#if defined(__x86_64__) && !defined(__clang__)  // clang 14 does not know this name
  return __builtin_cpu_supports("f16c") && __builtin_cpu_supports("avx");
#else
  return false;
#endif
}

#if defined(__x86_64__)
Convert half_to_float = has_f16c() ? half_to_float_f16c : plain<c10::Half, float>;
Convert float_to_half = has_f16c() ? float_to_half_f16c : plain<float, c10::Half>;
#else
Convert half_to_float = plain<c10::Half, float>;
Convert float_to_half = plain<float, c10::Half>;
#endif
Convert bfloat_to_float = bfloat16_to_float;
Convert float_to_bfloat = float_to_bfloat16;

void double_to_float(const std::byte* from, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) store<float>(to, i, static_cast<float>(load<double>(from, i)));
}
void float_to_double(const std::byte* from, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) store<double>(to, i, load<float>(from, i));
}
Convert narrow = double_to_float;
Convert widen = float_to_double;

Convert find_copy(size_t bytes) {
  switch (bytes) {
    case 1:
      return copy<1>;
    case 2:
      return copy<2>;
    case 4:
      return copy<4>;
    default:
      return copy<8>;
  }
}

}  // namespace

Convert find_convert(DType from, DType to) {
  if (from == to) return find_copy(dtype_bytes(from));
  using enum at::ScalarType;
  struct Row {
    DType from, to;
    Convert convert;
  };
  static const Row table[] = {
      {BFloat16, Float, bfloat_to_float},
      {Float, BFloat16, float_to_bfloat},
      {Half, Float, half_to_float},
      {Float, Half, float_to_half},
      {Double, Float, narrow},
      {Float, Double, widen},
      {Half, BFloat16, through_float<half_to_float, float_to_bfloat, 2, 2>},
      {BFloat16, Half, through_float<bfloat_to_float, float_to_half, 2, 2>},
      {BFloat16, Double, through_float<bfloat_to_float, widen, 2, 8>},
      {Half, Double, through_float<half_to_float, widen, 2, 8>},
      {Double, BFloat16, through_float<narrow, float_to_bfloat, 8, 2>},
      {Double, Half, through_float<narrow, float_to_half, 8, 2>},
  };
  for (const Row& row : table) {
    if (row.from == from && row.to == to) return row.convert;
  }
  throw bad_input("cannot convert {} to {}", dtype_name(from), dtype_name(to));
}

}  // namespace mop
