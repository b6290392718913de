// stats/amx_head_l1.cc -- computes P^T = W x^T in blocks of 32x32, rows being outputs and columns
// tokens, so that the sum over outputs is a sum of vectors. LibTorch's products of depth `head_dim`
// reach half the rate and would be written to memory before the sum. Shape letters as in the
// header.
#include "stats/amx_head_l1.h"

#include "base/error.h"
#include "tensor/tiles.h"

#ifdef MOP_BFLOAT16_LANES
#include <ATen/Parallel.h>

#include <algorithm>

namespace mop {
namespace {

using tiles::kDepth;
using tiles::kRows;
constexpr int64_t kTokens = 64;                  // tokens of x at a time: 16 KiB for heads of 128
constexpr int64_t kProducts = 4 * tiles::kSums;  // of a 32x32 block

// One head's columns of W_o as tiles [D/16][E/32], zero beyond D.
MOP_TILES void pack_output(const HeadL1Call& call, int64_t head, uint16_t* packed, int64_t padded) {
  const int64_t steps = call.head_dim / kDepth;
  for (int64_t d = 0; d < padded; ++d) {
    const uint16_t* row = call.output_DQ + d * call.output_stride + head * call.head_dim;
    for (int64_t k = 0; k < steps; ++k) {
      uint16_t* to = packed + (d / kRows * steps + k) * tiles::kNumbers + d % kRows * kDepth;
      _mm512_store_si512(
          to, d < call.hidden ? _mm512_loadu_si512(row + k * kDepth) : _mm512_setzero_si512());
    }
  }
}

// Multiplies 32 outputs x 32 tokens: two tiles per operand, four of products, written to
// `products`.
MOP_TILES_INLINE void multiply(const uint16_t* w, const uint16_t* x, int64_t steps,
                               float* products) {
  const uint16_t *w_next = w + steps * tiles::kNumbers, *x_next = x + steps * tiles::kNumbers;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < steps * tiles::kNumbers; k += tiles::kNumbers) {
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
MOP_TILES_INLINE void reduce(const float* products, __m512 sums[2]) {
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
MOP_TILES void score_tokens(const HeadL1Call& call, int64_t head, int64_t first,
                            const uint16_t* output, int64_t padded, uint16_t* tokens) {
  const int64_t steps = call.head_dim / kDepth;
  const int64_t count = std::min(kTokens, call.tokens - first);
  const int64_t token_tiles = (count + 2 * kRows - 1) / (2 * kRows) * 2;
  for (int64_t t = 0; t < token_tiles; ++t) {
    const int64_t row = first + t * kRows;
    for (int64_t k = 0; k < steps; ++k) {
      tiles::transpose_pairs(
          call.heads_NQ + row * call.heads_stride + head * call.head_dim + k * kDepth,
          call.heads_stride, call.tokens - row, tokens + (t * steps + k) * tiles::kNumbers);
    }
  }
  tiles::fence();
  alignas(64) float products[2][kProducts];  // one is computed while the other is summed
  __m512 sums[kTokens / kRows] = {};
  int turn = 0;
  for (int64_t d = 0; d < padded / kRows; d += 2) {
    for (int64_t t = 0; t < token_tiles; t += 2) {
      multiply(output + d * steps * tiles::kNumbers, tokens + t * steps * tiles::kNumbers, steps,
               products[turn]);
      reduce(products[turn], sums + t);
      turn = 1 - turn;
    }
  }
  alignas(64) float result[kTokens];
  for (int64_t t = 0; t < token_tiles; ++t) _mm512_store_ps(result + t * kRows, sums[t]);
  for (int64_t i = 0; i < count; ++i) call.l1_NH[(first + i) * call.heads + head] = result[i];
}

MOP_TILES void score_heads(const HeadL1Call& call, int64_t begin, int64_t end) {
  const tiles::Scope scope;
  const int64_t padded = (call.hidden + 2 * kRows - 1) / (2 * kRows) * 2 * kRows;
  const tiles::Lines output_memory = tiles::make_lines(padded * call.head_dim * 2);
  const tiles::Lines token_memory = tiles::make_lines(kTokens * call.head_dim * 2);
  auto* const output = reinterpret_cast<uint16_t*>(output_memory.get());
  auto* const tokens = reinterpret_cast<uint16_t*>(token_memory.get());
  for (int64_t head = begin; head < end; ++head) {
    pack_output(call, head, output, padded);
    tiles::fence();
    for (int64_t first = 0; first < call.tokens; first += kTokens) {
      score_tokens(call, head, first, output, padded, tokens);
    }
  }
}

}  // namespace

bool amx_head_l1_fits(int64_t head_dim) { return tiles::available() && head_dim % kDepth == 0; }

void amx_head_l1(const HeadL1Call& call) {
  at::parallel_for(0, call.heads, 1,
                   [&](int64_t begin, int64_t end) { score_heads(call, begin, end); });
}

}  // namespace mop
#else

namespace mop {
bool amx_head_l1_fits(int64_t) { return false; }
void amx_head_l1(const HeadL1Call&) {
  throw internal_error("this build has no matrix-unit (AMX) kernels");
}
}  // namespace mop

#endif
