// model/kernel_parts.h -- shared by the fused kernels: the exponential, and distribution of rows
// over threads. Include in kernel files only. uint16_t holds a bfloat16.
#pragma once
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <initializer_list>

#include "tensor/lanes.h"

namespace mop {

// exp(x) with x clamped to [-87, 88]; NaN stays NaN. Cephes' polynomial with an error of 2 ulp for
// float32; for bfloat16, which has 8 significant bits, a shorter one with relative error 2^-14.
// Branch-free, so that the compiler vectorises it.
template <typename T>
MOP_INLINE float exponential(float x) {
  constexpr float kRound = 12582912.f;  // adding it rounds to an integer
  x = x < -87.f ? -87.f : x;
  x = x > 88.f ? 88.f : x;
  const float shifted = x * 1.44269504f + kRound;
  const int32_t power = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const float whole = shifted - kRound;
  const float r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  float p = 4.1665795894e-2f;
  if constexpr (sizeof(T) == 4) {
    p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
  }
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return (p * r * r + r + 1.f) * std::bit_cast<float>((power + 127) << 23);
}

// The same for sixteen numbers, in place; 0 below -87.
template <typename T>
MOP_INLINE void exponential(Floats& x) {
  constexpr float kRound = 12582912.f;
  const Floats asked = x;
  x = x > 88.f ? Floats{} + 88.f : x;
  const Floats shifted = x * 1.44269504f + kRound, whole = shifted - kRound;
  Ints power;
  std::memcpy(&power, &shifted, sizeof power);
  power = (power - std::bit_cast<int32_t>(kRound) + 127) << 23;
  const Floats r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  Floats p = Floats{} + 4.1665795894e-2f;
  if constexpr (sizeof(T) == 4) {
    p = Floats{} + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
  }
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  Floats two_to;
  std::memcpy(&two_to, &power, sizeof two_to);
  x = asked < -87.f ? Floats{} : (p * r * r + r + 1.f) * two_to;
}

// Calls body(first, count) on threads that process at least this many elements each.
inline constexpr int64_t kGrain = 1 << 14;

template <typename Body>
void over_rows(int64_t rows, int64_t columns, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, columns));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) { body(begin, end - begin); });
}

// Whether the fused kernels support these tensors: CPU, contiguous, all float32 or all bfloat16.
inline bool fused(std::initializer_list<const at::Tensor*> tensors) {
  const at::Tensor& first = **tensors.begin();
  const bool known = first.scalar_type() == at::kFloat || first.scalar_type() == at::kBFloat16;
  return known && std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor* t) {
           return t->is_cpu() && t->is_contiguous() && t->scalar_type() == first.scalar_type();
         });
}

template <typename T>
T* raw(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

// Calls work(T{}) with the C++ type of a tensor that `fused` accepted.
template <typename Work>
void with_type(const at::Tensor& tensor, const Work& work) {
  tensor.scalar_type() == at::kFloat ? work(float{}) : work(uint16_t{});
}

}  // namespace mop
