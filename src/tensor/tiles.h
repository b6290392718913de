// tensor/tiles.h -- Intel AMX matrix units: eight tile registers of 16 rows of 64 bytes. A tile
// product sums over 32 bfloat16 values; its second factor holds pairs of neighbouring values in
// each 32-bit word. Included by kernel files only; intrinsics stand inside `#ifdef
// MOP_BFLOAT16_LANES`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "tensor/bfloat16_lanes.h"

namespace mop::tiles {

/// Returns whether the machine has AMX, the system permits its use, and bfloat16::available().
bool available();

}  // namespace mop::tiles

#ifdef MOP_BFLOAT16_LANES
#define MOP_TILES_TARGET MOP_BFLOAT16_TARGET ",amx-tile,amx-bf16"
#define MOP_TILES __attribute__((target(MOP_TILES_TARGET), optimize("O3")))
#define MOP_TILES_INLINE inline __attribute__((always_inline, target(MOP_TILES_TARGET)))

namespace mop::tiles {

inline constexpr int64_t kRows = 16;
inline constexpr int64_t kDepth = 32;                ///< values that one product sums over
inline constexpr int64_t kNumbers = kRows * kDepth;  ///< bfloat16 values per tile
inline constexpr int64_t kSums = kRows * kRows;      ///< float32 values per tile
inline constexpr int64_t kRowBytes = 64;

/// Memory aligned to cache lines, which tile loads need for speed. `bytes` is a multiple of 64.
struct alignas(kRowBytes) Line {
  std::byte bytes[kRowBytes];
};
using Lines = std::unique_ptr<Line[]>;
inline Lines make_lines(int64_t bytes) {
  return std::make_unique_for_overwrite<Line[]>(static_cast<size_t>(bytes / kRowBytes));
}

/// Compiler barrier: the intrinsics do not declare all memory that they access.
MOP_TILES_INLINE void fence() { asm volatile("" ::: "memory"); }

/// Configures all tiles of this thread as 16 rows of 64 bytes; restores the previous configuration
/// afterwards, which LibTorch's products may use.
class Scope {
 public:
  MOP_TILES_INLINE Scope() {
    Shapes all{};
    all.palette = 1;
    for (int64_t t = 0; t < 8; ++t) all.rows[t] = kRows, all.bytes[t] = kRowBytes;
    asm volatile("sttilecfg %0" : "=m"(before_));
    asm volatile("ldtilecfg %0" : : "m"(all));
  }
  MOP_TILES_INLINE ~Scope() { asm volatile("ldtilecfg %0" : : "m"(before_) : "memory"); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  struct alignas(kRowBytes) Shapes {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  };
  Shapes before_;
};

/// Rearranges 16 rows of 32 values, `stride` values apart, into a second factor: row j of the tile
/// `to` holds values 2j and 2j + 1 of every row, a transposition of 16 x 16 pairs. Rows from `rows`
/// on are zero. `to` is aligned to a cache line.
MOP_TILES_INLINE void transpose_pairs(const uint16_t* from, int64_t stride, int64_t rows,
                                      uint16_t* to) {
  __m512i r[16], t[16];
  for (int64_t i = 0; i < 16; ++i) {
    r[i] = i < rows ? _mm512_loadu_si512(from + i * stride) : _mm512_setzero_si512();
  }
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
  for (int i = 0; i < 16; ++i) _mm512_store_si512(to + i * kDepth, r[i]);
}

}  // namespace mop::tiles
#endif
