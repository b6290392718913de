// stats/amx_head_l1.cc -- P^T = W x^T in blocks of 32x32: rows are outputs, columns tokens, so that
// the sum over outputs is a sum of vectors. LibTorch's products of depth `head_dim` reach half the
// rate and would have to be written to memory only to be summed up. Shape letters as in the header.
#include "stats/amx_head_l1.h"

#if defined(__x86_64__) && defined(__GNUC__) && defined(__linux__)
#include <ATen/Parallel.h>
#include <cpuid.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own header, PR 105593
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#define MOP_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl")))

namespace mop {
namespace {

constexpr int64_t kTile = 16;           // rows of a tile; its rows hold 32 bfloat16 or 16 float32
constexpr int64_t kDepth = 32;          // of one tile product
constexpr int64_t kTileElements = 512;  // bfloat16
constexpr int64_t kTokens = 64;         // of x at a time: 16 KiB for heads of 128
constexpr int64_t kProducts = 4 * 256;  // float32 of a 32x32 block

// The system gives tile registers only to processes that ask.
bool ask_for_tiles() {
  constexpr long kRequestPermission = 0x1023,
                 kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool tiles = (d >> 24 & 1) != 0, bfloat16 = (d >> 22 & 1) != 0;
  return tiles && bfloat16 && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct alignas(64) TileConfig {
  uint8_t bytes[64] = {};
};

// All eight tiles 16 rows of 64 bytes. What was configured before comes back: other code may rely
// on it.
class TileScope {
 public:
  MOP_AMX TileScope() {
    TileConfig config;
    config.bytes[0] = 1;  // palette
    for (int tile = 0; tile < 8; ++tile) {
      const uint16_t row_bytes = 64;
      std::memcpy(config.bytes + 16 + 2 * tile, &row_bytes, 2);
      config.bytes[48 + tile] = kTile;
    }
    _tile_storeconfig(before_.bytes);
    load(config);
  }
  MOP_AMX ~TileScope() {
    asm volatile("" : : "r"(before_.bytes) : "memory");
    if (before_.bytes[0] == 0) {
      _tile_release();
    } else {
      load(before_);
    }
  }

 private:
  // The intrinsic tells the compiler of the first eight bytes only, hence the barrier.
  MOP_AMX static void load(const TileConfig& config) {
    asm volatile("" : : "r"(config.bytes) : "memory");
    _tile_loadconfig(config.bytes);
  }
  TileConfig before_;
};

// Memory on cache lines: tiles are loaded line by line.
struct Free {
  void operator()(uint16_t* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
};
using Buffer = std::unique_ptr<uint16_t[], Free>;
Buffer make_buffer(int64_t elements) {
  const auto bytes = static_cast<size_t>(elements) * sizeof(uint16_t);
  return Buffer(static_cast<uint16_t*>(::operator new[](bytes, std::align_val_t{64})));
}

// 16 rows of 32 bfloat16 -> the layout of a right operand: row j holds elements 2j and 2j+1 of
// every source row. It is a transposition of 16x16 pairs. Rows from `rows` on are zero.
MOP_AMX void transpose_pairs(const uint16_t* from, int64_t stride, int64_t rows, uint16_t* to) {
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

// One head's columns of W_o as tiles [D/16][E/32], zero beyond D.
MOP_AMX void pack_output(const HeadL1Call& call, int64_t head, uint16_t* tiles, int64_t padded) {
  const int64_t steps = call.head_dim / kDepth;
  for (int64_t d = 0; d < padded; ++d) {
    const uint16_t* row = call.output_DQ + d * call.output_stride + head * call.head_dim;
    for (int64_t k = 0; k < steps; ++k) {
      uint16_t* to = tiles + (d / kTile * steps + k) * kTileElements + d % kTile * kDepth;
      _mm512_store_si512(
          to, d < call.hidden ? _mm512_loadu_si512(row + k * kDepth) : _mm512_setzero_si512());
    }
  }
}

// 32 outputs x 32 tokens: two tiles of each operand, four of products, written to `products`.
MOP_AMX inline void multiply(const uint16_t* w, const uint16_t* x, int64_t steps, float* products) {
  const uint16_t *w_next = w + steps * kTileElements, *x_next = x + steps * kTileElements;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < steps * kTileElements; k += kTileElements) {
    _tile_loadd(4, w + k, 64);
    _tile_loadd(6, x + k, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, x_next + k, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, w_next + k, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, products, 64);
  _tile_stored(1, products + 256, 64);
  _tile_stored(2, products + 512, 64);
  _tile_stored(3, products + 768, 64);
}

// Adds the absolute products of 32 outputs to the sums of 2 x 16 tokens.
MOP_AMX inline void reduce(const float* products, __m512 sums[2]) {
  __m512 part[4] = {};
  for (int row = 0; row < 16; ++row) {
    for (int tile = 0; tile < 4; ++tile) {
      const __m512 value = _mm512_load_ps(products + 256 * tile + 16 * row);
      part[tile] = _mm512_add_ps(part[tile], _mm512_abs_ps(value));
    }
  }
  sums[0] = _mm512_add_ps(sums[0], _mm512_add_ps(part[0], part[2]));
  sums[1] = _mm512_add_ps(sums[1], _mm512_add_ps(part[1], part[3]));
}

// Up to 64 tokens of one head against all outputs.
MOP_AMX void score_tokens(const HeadL1Call& call, int64_t head, int64_t first,
                          const uint16_t* output, int64_t padded, uint16_t* tokens) {
  const int64_t steps = call.head_dim / kDepth;
  const int64_t count = std::min(kTokens, call.tokens - first);
  const int64_t token_tiles = (count + 2 * kTile - 1) / (2 * kTile) * 2;
  for (int64_t t = 0; t < token_tiles; ++t) {
    const int64_t row = first + t * kTile;
    for (int64_t k = 0; k < steps; ++k) {
      transpose_pairs(call.heads_NQ + row * call.heads_stride + head * call.head_dim + k * kDepth,
                      call.heads_stride, call.tokens - row,
                      tokens + (t * steps + k) * kTileElements);
    }
  }
  alignas(64) float products[2][kProducts];  // the next is made while this one is summed up
  __m512 sums[kTokens / kTile] = {};
  int turn = 0;
  for (int64_t d = 0; d < padded / kTile; d += 2) {
    for (int64_t t = 0; t < token_tiles; t += 2) {
      multiply(output + d * steps * kTileElements, tokens + t * steps * kTileElements, steps,
               products[turn]);
      reduce(products[turn], sums + t);
      turn = 1 - turn;
    }
  }
  alignas(64) float result[kTokens];
  for (int64_t t = 0; t < token_tiles; ++t) _mm512_store_ps(result + t * kTile, sums[t]);
  for (int64_t i = 0; i < count; ++i) call.l1_NH[(first + i) * call.heads + head] = result[i];
}

MOP_AMX void score_heads(const HeadL1Call& call, int64_t begin, int64_t end) {
  const TileScope tiles;
  const int64_t padded = (call.hidden + 2 * kTile - 1) / (2 * kTile) * 2 * kTile;
  const Buffer output = make_buffer(padded * call.head_dim);
  const Buffer tokens = make_buffer(kTokens * call.head_dim);
  for (int64_t head = begin; head < end; ++head) {
    pack_output(call, head, output.get(), padded);
    for (int64_t first = 0; first < call.tokens; first += kTokens) {
      score_tokens(call, head, first, output.get(), padded, tokens.get());
    }
  }
}

}  // namespace

bool amx_head_l1_fits(int64_t head_dim) {
  static const bool tiles = ask_for_tiles();
  return tiles && head_dim % kDepth == 0;
}

void amx_head_l1(const HeadL1Call& call) {
  at::parallel_for(0, call.heads, 1,
                   [&](int64_t begin, int64_t end) { score_heads(call, begin, end); });
}

}  // namespace mop
#pragma GCC diagnostic pop

#else

namespace mop {
bool amx_head_l1_fits(int64_t) { return false; }
void amx_head_l1(const HeadL1Call&) {}
}  // namespace mop

#endif
