// tensor/lanes.h -- portable vectors of sixteen values, so that the order of summation is the same
// on every machine. Included by kernel files only. uint16_t holds a bfloat16, the upper half of a
// float32. Vectors are passed by reference, because the calling convention for vectors depends on
// the machine.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

namespace mop {

#define MOP_INLINE inline __attribute__((always_inline))

inline constexpr int64_t kLanes = 16;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = int32_t __attribute__((vector_size(4 * kLanes)));
using Words = uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = uint16_t __attribute__((vector_size(2 * kLanes)));

MOP_INLINE float to_float(float x) { return x; }
MOP_INLINE float to_float(uint16_t bfloat16) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat16) << 16);
}
// Rounds to nearest, ties to even; NaN stays NaN.
template <typename T>
MOP_INLINE T from_float(float x);
template <>
MOP_INLINE float from_float<float>(float x) {
  return x;
}
template <>
MOP_INLINE uint16_t from_float<uint16_t>(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(x != x ? 0x7fc0u : rounded);
}

// Loads `count` values and fills the rest with zeros.
MOP_INLINE void load(const float* from, int64_t count, Floats& to) {
  to = Floats{};
  std::memcpy(&to, from, static_cast<size_t>(count) * sizeof(float));
}
MOP_INLINE void load(const uint16_t* from, int64_t count, Floats& to) {
  Halves halves{};
  std::memcpy(&halves, from, static_cast<size_t>(count) * sizeof(uint16_t));
  const Words words = __builtin_convertvector(halves, Words) << 16;
  std::memcpy(&to, &words, sizeof to);
}

// Stores all sixteen values, rounded by from_float.
MOP_INLINE void store(const Floats& from, float* to) { std::memcpy(to, &from, sizeof from); }
MOP_INLINE void store(const Floats& from, uint16_t* to) {
#pragma omp simd
  for (int64_t i = 0; i < kLanes; ++i) to[i] = from_float<uint16_t>(from[i]);
}

// Moves each lane `kWidth` lanes down.
template <int32_t kWidth>
MOP_INLINE void fold(const Floats& values, Floats& to) {
  // This builtin is the one that clang-tidy knows too.
  to = __builtin_shufflevector(values, values, kWidth, kWidth + 1, kWidth + 2, kWidth + 3,
                               kWidth + 4, kWidth + 5, kWidth + 6, kWidth + 7, kWidth + 8,
                               kWidth + 9, kWidth + 10, kWidth + 11, kWidth + 12, kWidth + 13,
                               kWidth + 14, kWidth + 15);
}

MOP_INLINE float sum_of(const Floats& values) {
  Floats x = values, y;
  fold<8>(x, y), x += y;
  fold<4>(x, y), x += y;
  fold<2>(x, y), x += y;
  fold<1>(x, y), x += y;
  return x[0];
}

MOP_INLINE float largest_of(const Floats& values) {
  Floats x = values, y;
  fold<8>(x, y), x = x > y ? x : y;
  fold<4>(x, y), x = x > y ? x : y;
  fold<2>(x, y), x = x > y ? x : y;
  fold<1>(x, y), x = x > y ? x : y;
  return x[0];
}

}  // namespace mop
