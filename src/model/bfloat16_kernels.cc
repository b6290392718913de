// model/bfloat16_kernels.cc
#include "model/bfloat16_kernels.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/bfloat16_lanes.h"
#include "tensor/lanes.h"

namespace mop::bfloat16 {

#ifdef MOP_BFLOAT16_LANES
namespace {

// The instruction multiplies and adds pairs of neighbouring elements.
MOP_BFLOAT16_INLINE float sum_of_squares(const uint16_t* x, int64_t columns) {
  constexpr int64_t kPairs = 2 * kLanes;
  __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int64_t i = 0; i < columns; i += kPairs) {
    const int64_t left = columns - i;
    const __mmask32 some = left >= kPairs ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
    const auto pairs = reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi16(some, x + i));
    __m512& sum = sums[i / kPairs % 2];
    sum = _mm512_dpbf16_ps(sum, pairs, pairs);
  }
  return sum_of(_mm512_add_ps(sums[0], sums[1]));
}

MOP_BFLOAT16_INLINE void norm_row(const uint16_t* x, const uint16_t* weight, uint16_t* out,
                                  int64_t columns, float eps) {
  const float mean = sum_of_squares(x, columns) / static_cast<float>(columns);
  const __m512 scale = _mm512_set1_ps(1.f / std::sqrt(mean + eps));
  for (int64_t i = 0; i < columns; i += kLanes) {
    const __mmask16 some = lanes(columns - i);
    const __m512 normed = widened(rounded(_mm512_mul_ps(load(x + i, some), scale)));
    store(_mm512_mul_ps(normed, load(weight + i, some)), out + i, some);
  }
}

MOP_BFLOAT16_INLINE void rope_head(uint16_t* x, const uint16_t* cos, const uint16_t* sin,
                                   int64_t half) {
  for (int64_t i = 0; i < half; i += kLanes) {
    const __mmask16 some = lanes(half - i);
    const __m512 a = load(x + i, some), b = load(x + half + i, some);
    const __m512 c = load(cos + i, some), s = load(sin + i, some);
    store(_mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)), x + i, some);
    store(_mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)), x + half + i, some);
  }
}

}  // namespace

MOP_BFLOAT16 void norm_rows(const uint16_t* x, const uint16_t* weight, uint16_t* out, int64_t rows,
                            int64_t columns, float eps) {
  for (int64_t r = 0; r < rows; ++r) {
    norm_row(x + r * columns, weight, out + r * columns, columns, eps);
  }
}

MOP_BFLOAT16 void rope_rows(uint16_t* x, const uint16_t* cos, const uint16_t* sin, int64_t rows,
                            int64_t heads, int64_t size) {
  for (int64_t r = 0; r < rows; ++r, cos += size, sin += size) {
    for (int64_t h = 0; h < heads; ++h, x += size) rope_head(x, cos, sin, size / 2);
  }
}

MOP_BFLOAT16 void silu_mul_range(uint16_t* gate, const uint16_t* up, int64_t count) {
  const __m512 minus_log2_e = _mm512_set1_ps(-1.44269504f), one = _mm512_set1_ps(1.f);
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 some = lanes(count - i);
    const __m512 g = load(gate + i, some);
    const __m512 away = exponential2(_mm512_mul_ps(g, minus_log2_e));
    const __m512 silu = _mm512_mul_ps(g, one_over(_mm512_add_ps(one, away)));
    store(_mm512_mul_ps(silu, load(up + i, some)), gate + i, some);
  }
}

#else

void norm_rows(const uint16_t*, const uint16_t*, uint16_t*, int64_t, int64_t, float) {
  throw internal_error("no kernels in bfloat16 here");
}
void rope_rows(uint16_t*, const uint16_t*, const uint16_t*, int64_t, int64_t, int64_t) {
  throw internal_error("no kernels in bfloat16 here");
}
void silu_mul_range(uint16_t*, const uint16_t*, int64_t) {
  throw internal_error("no kernels in bfloat16 here");
}

#endif

}  // namespace mop::bfloat16
