// tensor/bfloat16_lanes.h -- vectors of sixteen bfloat16 values for processors with AVX512-BF16
// rounding, in a quarter of the instructions that lanes.h needs. Included by kernel files only;
// intrinsics stand inside `#ifdef MOP_BFLOAT16_LANES`. uint16_t holds a bfloat16.
#pragma once

namespace mop::bfloat16 {

/// Returns whether this machine has the features of MOP_BFLOAT16 and LibTorch may use AVX-512
/// (ATEN_CPU_CAPABILITY=avx2 leaves the portable kernels).
bool available();

}  // namespace mop::bfloat16

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MOP_BFLOAT16_LANES
#include <immintrin.h>

#include <cstdint>

// Rounding flushes denormals to zero, as these instructions treat them.
// GCC 12's intrinsics without a mask start from a self-initialised variable (GCC bug 105593), which
// warns.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

// Functions that use the code below need one of these attributes. They list features rather than
// name a processor, because GCC does not inline intrinsics into functions with target "arch=".
#define MOP_BFLOAT16_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma,bmi2"
#define MOP_BFLOAT16 __attribute__((target(MOP_BFLOAT16_TARGET), optimize("O3")))
#define MOP_BFLOAT16_INLINE inline __attribute__((always_inline, target(MOP_BFLOAT16_TARGET)))

namespace mop::bfloat16 {

/// Mask of the first `count` of sixteen lanes; all lanes when count >= 16.
MOP_BFLOAT16_INLINE __mmask16 lanes(int64_t count) {
  return count >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << count) - 1);
}

MOP_BFLOAT16_INLINE __m512 widened(__m256i bfloat16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bfloat16), 16));
}
MOP_BFLOAT16_INLINE __m256i rounded(__m512 x) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}
MOP_BFLOAT16_INLINE __m512 load(const uint16_t* from, __mmask16 lanes) {
  return widened(_mm256_maskz_loadu_epi16(lanes, from));
}
MOP_BFLOAT16_INLINE void store(__m512 x, uint16_t* to, __mmask16 lanes) {
  _mm256_mask_storeu_epi16(to, lanes, rounded(x));
}

/// 2^x with relative error 2^-18; 0 for x <= -127, infinity for x >= 128, NaN for NaN.
MOP_BFLOAT16_INLINE __m512 exponential2(__m512 x) {
  // This operand order keeps NaN and clamps -infinity.
  x = _mm512_max_ps(_mm512_set1_ps(-1000.f), x);
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, whole);
  __m512 p = _mm512_set1_ps(0.00957010176f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0559178603f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.240247448f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693121815f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.999999261f));
  return _mm512_scalef_ps(p, whole);
}

/// 1 / x with relative error 2^-14.
MOP_BFLOAT16_INLINE __m512 one_over(__m512 x) { return _mm512_rcp14_ps(x); }

}  // namespace mop::bfloat16
#endif
