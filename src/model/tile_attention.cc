// model/tile_attention.cc -- blocks of sixteen queries against tiles of keys and values that all
// heads of a group share. Shape letter: P keys that a block reads.
#include "model/tile_attention.h"

#include "base/error.h"
#include "tensor/tiles.h"

#ifdef MOP_BFLOAT16_LANES
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "model/seen_keys.h"
#include "tensor/lanes.h"

namespace mop {
namespace {

using Call = ShortAttentionCall<uint16_t>;

using tiles::kDepth;
using tiles::kRowBytes;
using tiles::kRows;
using tiles::kSums;
constexpr int64_t kTile = tiles::kNumbers;
static_assert(kRows == kBlockQueries && kDepth == kChunkKeys);

/// One KV head's keys and values as tiles, and temporaries of a block of queries.
struct Scratch {
  Scratch(int64_t tokens, int64_t size)
      : coordinates(size / kDepth),
        chunks(key_chunks(tokens)),
        memory(tiles::make_lines(2 * chunks * kDepth * size * 2 + kRows * size * 2 +
                                 kRows * chunks * kDepth * 6 + kRows * size * 4)),
        keys(reinterpret_cast<uint16_t*>(memory.get())),
        values(keys + chunks * kDepth * size),
        query(values + chunks * kDepth * size),
        weights(query + kRows * size),
        scores(reinterpret_cast<float*>(weights + kRows * chunks * kDepth)),
        sums(scores + kRows * chunks * kDepth) {}

  int64_t coordinates, chunks;
  tiles::Lines memory;
  uint16_t* keys;     // per 16 keys and 32 coordinates: [16 pairs of coordinates][16 keys][2]
  uint16_t* values;   // per 32 keys and 16 coordinates: [16 pairs of keys][16 coordinates][2]
  uint16_t* query;    // [16, E], a copy of the last block's queries when they are fewer than 16
  uint16_t* weights;  // [16, P]
  float* scores;      // [16, P]
  float* sums;        // per 16 coordinates: [16, 16]
};

constexpr Ints kCount = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

MOP_TILES_INLINE void pack_keys(const Call& call, const uint16_t* key, int64_t tokens,
                                const Scratch& scratch) {
  const int64_t stride = call.kv_heads * call.size;
  uint16_t* tile = scratch.keys;
  for (int64_t first = 0; first < scratch.chunks * kDepth; first += kRows) {
    for (int64_t c = 0; c < scratch.coordinates; ++c, tile += kTile) {
      tiles::transpose_pairs(key + first * stride + c * kDepth, stride, tokens - first, tile);
    }
  }
}

MOP_TILES_INLINE void load_words(const uint16_t* from, Words& to) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  to = __builtin_convertvector(halves, Words);
}

MOP_TILES_INLINE void pack_values(const Call& call, const uint16_t* value, int64_t tokens,
                                  const Scratch& scratch) {
  const int64_t stride = call.kv_heads * call.size;
  uint16_t* row = scratch.values;
  for (int64_t chunk = 0; chunk < scratch.chunks; ++chunk) {
    for (int64_t e = 0; e < call.size; e += kRows) {
      for (int64_t pair = 0; pair < kRows; ++pair, row += kDepth) {
        const int64_t token = chunk * kDepth + 2 * pair;
        Words both{}, other{};
        if (token < tokens) load_words(value + token * stride + e, both);
        if (token + 1 < tokens) load_words(value + (token + 1) * stride + e, other);
        both |= other << 16;
        std::memcpy(row, &both, sizeof both);
      }
    }
  }
}

// scores = queries of the block times its keys.
MOP_TILES_INLINE void score(const QueryBlock& block, const uint16_t* query, int64_t stride,
                            const Scratch& scratch) {
  const auto pitch = static_cast<int64_t>(block.chunks.size()) * kDepth;
  float* out = scratch.scores;
  for (size_t i = 0; i < block.visibility.size(); ++i, out += kRows) {
    if (block.visibility[i] == Visibility::kNone) continue;
    const int64_t group = block.chunks[i / 2] * 2 + static_cast<int64_t>(i % 2);
    const uint16_t* keys = scratch.keys + group * scratch.coordinates * kTile;
    _tile_zero(0);
    for (int64_t c = 0; c < scratch.coordinates; ++c) {
      _tile_loadd(1, query + c * kDepth, stride * 2);
      _tile_loadd(2, keys + c * kTile, kRowBytes);
      _tile_dpbf16ps(0, 1, 2);
    }
    _tile_stored(0, out, pitch * 4);
  }
}

MOP_TILES_INLINE __mmask16 within(__m512i key, int32_t begin, int32_t end) {
  return _mm512_cmplt_epu32_mask(_mm512_sub_epi32(key, _mm512_set1_epi32(begin)),
                                 _mm512_set1_epi32(end - begin));
}

// Multiplies the scores of the keys in `seen` by `factor`, sets the others to -infinity and returns
// the maximum.
MOP_TILES_INLINE float scale_and_mask(const QueryBlock& block, const SeenKeys& seen, __m512 factor,
                                      float* scores) {
  const __m512 masked = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  const __m512i count = reinterpret_cast<__m512i>(kCount);
  __m512 top = masked;
  for (size_t i = 0; i < block.visibility.size(); ++i, scores += kLanes) {
    if (block.visibility[i] == Visibility::kNone) continue;
    __m512 x = _mm512_mul_ps(_mm512_load_ps(scores), factor);
    if (block.visibility[i] == Visibility::kSome) {
      const auto first = static_cast<int32_t>(block.chunks[i / 2] * kDepth + (i % 2) * kRows);
      const __m512i key = _mm512_add_epi32(count, _mm512_set1_epi32(first));
      x = _mm512_mask_mov_ps(masked,
                             within(key, seen.prefix_begin, seen.prefix_end) |
                                 within(key, seen.own_begin, seen.own_end),
                             x);
    }
    top = _mm512_max_ps(top, x);
    _mm512_store_ps(scores, x);
  }
  return largest_of(top);
}

// weights = 2^(score - largest), rounded to bfloat16. Returns 1 / their sum.
MOP_TILES_INLINE float exponentials(const QueryBlock& block, float largest, const float* scores,
                                    uint16_t* weights) {
  const __m512 top = _mm512_set1_ps(largest);
  __m512 sum = _mm512_setzero_ps();
  for (const Visibility visibility : block.visibility) {
    __m512 x = _mm512_setzero_ps();
    if (visibility != Visibility::kNone) {
      x = bfloat16::exponential2(_mm512_sub_ps(_mm512_load_ps(scores), top));
      sum = _mm512_add_ps(sum, x);
    }
    _mm256_store_si256(reinterpret_cast<__m256i*>(weights), bfloat16::rounded(x));
    scores += kLanes;
    weights += kLanes;
  }
  return 1.f / sum_of(sum);
}

// sums = weights times values, for 32 coordinates.
MOP_TILES_INLINE void add_weighted_values(const QueryBlock& block, int64_t first_tile,
                                          const Scratch& scratch) {
  const auto pitch = static_cast<int64_t>(block.chunks.size()) * kDepth;
  _tile_zero(0);
  _tile_zero(1);
  for (size_t i = 0; i < block.chunks.size(); ++i) {
    const uint16_t* values =
        scratch.values + (block.chunks[i] * scratch.coordinates * 2 + first_tile) * kTile;
    _tile_loadd(2, scratch.weights + static_cast<int64_t>(i) * kDepth, pitch * 2);
    _tile_loadd(3, values, kRowBytes);
    _tile_dpbf16ps(0, 2, 3);
    _tile_loadd(4, values + kTile, kRowBytes);
    _tile_dpbf16ps(1, 2, 4);
  }
  _tile_stored(0, scratch.sums + first_tile * kSums, kRowBytes);
  _tile_stored(1, scratch.sums + (first_tile + 1) * kSums, kRowBytes);
}

MOP_TILES_INLINE void attend_block(const QueryBlock& block, const Call& call, uint16_t* query_HE,
                                   __m512 factor, const Scratch& scratch) {
  const int64_t stride = call.heads * call.size;
  const uint16_t* query = query_HE;
  if (block.rows() < kRows) {
    for (int64_t r = 0; r < block.rows(); ++r) {
      std::memcpy(scratch.query + r * call.size, query_HE + r * stride,
                  static_cast<size_t>(call.size) * sizeof(uint16_t));
    }
    query = scratch.query;
  }
  tiles::fence();
  score(block, query, block.rows() < kRows ? call.size : stride, scratch);
  tiles::fence();
  const auto pitch = static_cast<int64_t>(block.chunks.size()) * kDepth;
  float scales[kRows];
  for (int64_t r = 0; r < block.rows(); ++r) {
    const float largest = scale_and_mask(block, block.seen[r], factor, scratch.scores + r * pitch);
    scales[r] =
        exponentials(block, largest, scratch.scores + r * pitch, scratch.weights + r * pitch);
  }
  tiles::fence();
  for (int64_t tile = 0; tile < call.size / kRows; tile += 2)
    add_weighted_values(block, tile, scratch);
  tiles::fence();
  for (int64_t r = 0; r < block.rows(); ++r) {
    for (int64_t tile = 0; tile < call.size / kRows; ++tile) {
      const __m512 x = _mm512_mul_ps(_mm512_load_ps(scratch.sums + tile * kSums + r * kRows),
                                     _mm512_set1_ps(scales[r]));
      bfloat16::store(x, query_HE + r * stride + tile * kRows, bfloat16::lanes(kRows));
    }
  }
}

/// A range of queries of a tree. No query sees a token after `end`.
struct Queries {
  int64_t begin, end;
};

MOP_TILES void attend_queries(const Call& call, const SequenceTree& tree, const Queries& queries,
                              const std::vector<SeenKeys>& seen, int64_t kv_head) {
  const Scratch scratch(queries.end, call.size);
  const int64_t first_key = (tree.first_token * call.kv_heads + kv_head) * call.size;
  pack_keys(call, call.key_NKE + first_key, queries.end, scratch);
  pack_values(call, call.value_NKE + first_key, queries.end, scratch);
  const int64_t group = call.heads / call.kv_heads;
  // exp(x) = 2^(x * log2(e)): the kernel computes powers of two.
  const __m512 factor = _mm512_set1_ps(1.44269504f / std::sqrt(static_cast<float>(call.size)));
  const tiles::Scope scope;
  QueryBlock block;
  for (int64_t first = queries.begin; first < queries.end; first += kRows) {
    block.assign(std::span(seen).subspan(
        static_cast<size_t>(first), static_cast<size_t>(std::min(kRows, queries.end - first))));
    uint16_t* query =
        call.query_NHE + ((tree.first_token + first) * call.heads + kv_head * group) * call.size;
    for (int64_t head = 0; head < group; ++head) {
      attend_block(block, call, query + head * call.size, factor, scratch);
    }
  }
}

}  // namespace

void attend_with_tiles(const Call& call, const SequenceTree& tree, int64_t kv_head, int64_t part,
                       int64_t parts) {
  const int64_t blocks = (tree.tokens + kRows - 1) / kRows;
  const Queries queries{blocks * part / parts * kRows,
                        std::min(tree.tokens, blocks * (part + 1) / parts * kRows)};
  if (queries.begin >= queries.end) return;
  attend_queries(call, tree, queries, seen_keys(tree, call.window), kv_head);
}

}  // namespace mop

#else

namespace mop {

void attend_with_tiles(const ShortAttentionCall<uint16_t>&, const SequenceTree&, int64_t, int64_t,
                       int64_t) {
  throw internal_error("this build has no matrix-unit (AMX) kernels");
}

}  // namespace mop

#endif
