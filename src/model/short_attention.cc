// model/short_attention.cc -- processes one KV head of one tree at a time. Keys are transposed, so
// that neighbouring keys are in neighbouring vector lanes, and kBlockRows queries are processed
// together, so that each loaded key serves all of them. A query sees two spans of keys: in the
// prefix and in its own branch.
#include "model/short_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "model/kernel_parts.h"
#include "model/tile_attention.h"
#include "tensor/clones.h"
#include "tensor/shared_tasks.h"
#include "tensor/tiles.h"

namespace mop {
namespace {

constexpr int64_t kBlockRows = 4;                // queries processed together
constexpr int64_t kMaxTreeTokens = 512;          // in float32
constexpr int64_t kMaxTreeTokensOnTiles = 4096;  // in bfloat16 with matrix units
// Elements of a tree's queries in bfloat16 without matrix units: above this, LibTorch's kernel may
// be faster.
constexpr int64_t kMaxBfloat16Queries = 1 << 17;
constexpr int64_t kMaxHeadSize = 256;

int64_t padded(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

template <typename T>
using Call = ShortAttentionCall<T>;

/// A range of keys of a tree, counted from its first token.
struct Span {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

/// One KV head of a tree converted to float32, and temporaries of a block of queries.
struct Scratch {
  Scratch(int64_t tokens, int64_t size)
      : key_stride(padded(tokens) +
                   kLanes),  // the last vector of a span may extend beyond the tokens
        score_stride(padded(tokens) + 3 * kLanes),
        memory(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(
            size * key_stride + tokens * size + kBlockRows * (size + score_stride)))),
        key_EL(memory.get()),
        value_LE(key_EL + size * key_stride),
        query(value_LE + tokens * size),
        scores(query + kBlockRows * size) {}
  int64_t key_stride, score_stride;
  std::unique_ptr<float[]> memory;
  float *key_EL, *value_LE, *query, *scores;
};

// to = factor * from, as float32. `count` is a multiple of 16.
template <typename T>
MOP_INLINE void copy_scaled(const T* from, int64_t count, float factor, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    Floats x;
    load(from + i, kLanes, x);
    x *= factor;
    store(x, to + i);
  }
}

template <typename T>
MOP_INLINE void unpack(const Call<T>& call, int64_t first, int64_t tokens, int64_t kv_head,
                       const Scratch& scratch) {
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t at = ((first + t) * call.kv_heads + kv_head) * call.size;
    copy_scaled(call.value_NKE + at, call.size, 1.f, scratch.value_LE + t * call.size);
    const T* key = call.key_NKE + at;
    for (int64_t e = 0; e < call.size; ++e)
      scratch.key_EL[e * scratch.key_stride + t] = to_float(key[e]);
  }
}

// Dot products of the block's queries with 16 * kVectors keys from `key` on.
template <int64_t kVectors>
MOP_INLINE void score_block(const Scratch& scratch, int64_t size, int64_t key, float* scores) {
  Floats sums[kBlockRows][kVectors] = {};
  for (int64_t e = 0; e < size; ++e) {
    Floats keys[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) {
      load(scratch.key_EL + e * scratch.key_stride + key + v * kLanes, kLanes, keys[v]);
    }
    for (int64_t r = 0; r < kBlockRows; ++r) {
      for (int64_t v = 0; v < kVectors; ++v) sums[r][v] += scratch.query[r * size + e] * keys[v];
    }
  }
  for (int64_t r = 0; r < kBlockRows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) {
      store(sums[r][v], scores + r * scratch.score_stride + v * kLanes);
    }
  }
}

MOP_INLINE void score_span(const Scratch& scratch, int64_t size, const Span& span, float* scores) {
  int64_t key = span.begin;
  for (; key + 3 * kLanes < span.end; key += 4 * kLanes, scores += 4 * kLanes) {
    score_block<4>(scratch, size, key, scores);
  }
  for (; key < span.end; key += kLanes, scores += kLanes) {
    score_block<1>(scratch, size, key, scores);
  }
}

// Sets the scores of a span's keys outside `seen` to -infinity.
MOP_INLINE void mask_scores(const Span& span, const Span& seen, float* scores) {
  constexpr Ints kCount = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const auto begin = static_cast<int32_t>(seen.begin - span.begin);
  const auto end = static_cast<int32_t>(seen.end - span.begin);
  const auto mask_lanes = [&](int32_t first) {
    const Ints key = kCount + first;
    Floats x;
    load(scores + first, kLanes, x);
    x = (key >= begin) & (key < end) ? x : Floats{} - std::numeric_limits<float>::infinity();
    store(x, scores + first);
  };
  const auto all = static_cast<int32_t>(padded(span.count()));
  const int32_t whole = std::max(begin, end) / static_cast<int32_t>(kLanes) * kLanes;
  for (int32_t first = 0; first < begin; first += kLanes) mask_lanes(first);
  for (int32_t first = whole; first < all; first += kLanes) mask_lanes(first);
}

// Replaces scores by exp(score - maximum). Returns 1 / their sum.
template <typename T>
MOP_INLINE float exponentials(float* scores, int64_t count) {
  Floats top = Floats{} - std::numeric_limits<float>::infinity(), sum{}, x;
  for (int64_t i = 0; i < count; i += kLanes) {
    load(scores + i, kLanes, x);
    top = x > top ? x : top;
  }
  const float largest = largest_of(top);
  for (int64_t i = 0; i < count; i += kLanes) {
    load(scores + i, kLanes, x);
    x -= largest;
    exponential<T>(x);
    sum += x;
    store(x, scores + i);
  }
  return 1.f / sum_of(sum);
}

// sums += weights times the values of a span, for 16 * kVectors coordinates.
template <int64_t kVectors>
MOP_INLINE void add_weighted_values(const float* weights, int64_t stride, const float* values,
                                    int64_t size, int64_t count,
                                    Floats (&sums)[kBlockRows][kVectors]) {
  for (int64_t j = 0; j < count; ++j) {
    Floats value[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) {
      load(values + j * size + v * kLanes, kLanes, value[v]);
    }
    for (int64_t r = 0; r < kBlockRows; ++r) {
      for (int64_t v = 0; v < kVectors; ++v) sums[r][v] += weights[r * stride + j] * value[v];
    }
  }
}

/// A block of queries of one head, and the spans of keys that at least one of them sees.
template <typename T>
struct Block {
  int64_t rows;  // 1 to kBlockRows; a short block repeats its last query
  Span prefix, own;
  const Span *prefix_seen, *own_seen;  // per query
  T* query;                            // the first query; `stride` elements to the next
  int64_t stride;
};

template <typename T, int64_t kVectors>
MOP_INLINE void write_heads(const Block<T>& block, const Scratch& scratch, int64_t size,
                            int64_t first, const float* scales) {
  Floats sums[kBlockRows][kVectors] = {};
  add_weighted_values<kVectors>(scratch.scores, scratch.score_stride,
                                scratch.value_LE + block.prefix.begin * size + first, size,
                                block.prefix.count(), sums);
  add_weighted_values<kVectors>(scratch.scores + padded(block.prefix.count()), scratch.score_stride,
                                scratch.value_LE + block.own.begin * size + first, size,
                                block.own.count(), sums);
  for (int64_t r = 0; r < block.rows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) {
      const Floats head = sums[r][v] * scales[r];
      store(head, block.query + r * block.stride + first + v * kLanes);
    }
  }
}

template <typename T>
MOP_INLINE void attend_block(const Block<T>& block, const Scratch& scratch, int64_t size) {
  const float scale = 1.f / std::sqrt(static_cast<float>(size));
  for (int64_t r = 0; r < kBlockRows; ++r) {
    const T* query = block.query + std::min(r, block.rows - 1) * block.stride;
    copy_scaled(query, size, scale, scratch.query + r * size);
  }
  const int64_t before = padded(block.prefix.count());
  score_span(scratch, size, block.prefix, scratch.scores);
  score_span(scratch, size, block.own, scratch.scores + before);
  float scales[kBlockRows];
  for (int64_t r = 0; r < block.rows; ++r) {
    float* scores = scratch.scores + r * scratch.score_stride;
    mask_scores(block.prefix, block.prefix_seen[r], scores);
    mask_scores(block.own, block.own_seen[r], scores + before);
    scales[r] = exponentials<T>(scores, before + padded(block.own.count()));
  }
  int64_t e = 0;
  for (; e + 4 * kLanes <= size; e += 4 * kLanes) {
    write_heads<T, 4>(block, scratch, size, e, scales);
  }
  for (; e + 2 * kLanes <= size; e += 2 * kLanes) {
    write_heads<T, 2>(block, scratch, size, e, scales);
  }
  for (; e < size; e += kLanes) write_heads<T, 1>(block, scratch, size, e, scales);
}

MOP_INLINE Span enclosing_span(const Span* seen, int64_t count) {
  Span all = seen[0];
  for (int64_t i = 1; i < count; ++i) {
    all = {std::min(all.begin, seen[i].begin), std::max(all.end, seen[i].end)};
  }
  return all;
}

/// `length` consecutive tokens; `first` is the tree's number of the first one. They continue the
/// tree's first `before` tokens.
struct Branch {
  int64_t first, length, before;
};

template <typename T>
MOP_INLINE void attend_branch(const Call<T>& call, const SequenceTree& tree, const Branch& branch,
                              int64_t head, const Scratch& scratch) {
  for (int64_t t = 0; t < branch.length; t += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, branch.length - t);
    Span prefix[kBlockRows], own[kBlockRows];
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t oldest = std::max<int64_t>(0, branch.before + t + r + 1 - call.window);
      prefix[r] = {std::min(oldest, branch.before), branch.before};
      own[r] = {branch.first + std::max<int64_t>(0, oldest - branch.before),
                branch.first + t + r + 1};
    }
    const int64_t token = tree.first_token + branch.first + t;
    const Block<T> block{rows,
                         enclosing_span(prefix, rows),
                         enclosing_span(own, rows),
                         prefix,
                         own,
                         call.query_NHE + (token * call.heads + head) * call.size,
                         call.heads * call.size};
    attend_block(block, scratch, call.size);
  }
}

template <typename T>
MOP_INLINE void attend_tree(const Call<T>& call, const SequenceTree& tree, int64_t kv_head) {
  const Scratch scratch(tree.tokens, call.size);
  unpack(call, tree.first_token, tree.tokens, kv_head, scratch);
  const int64_t group = call.heads / call.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    attend_branch(call, tree, {0, tree.prefix, 0}, head, scratch);
    int64_t first = tree.prefix;
    for (const int64_t length : tree.branches) {
      attend_branch(call, tree, {first, length, tree.prefix}, head, scratch);
      first += length;
    }
  }
}

MOP_CLONES void attend_with_vectors(const Call<float>& call, const SequenceTree& tree,
                                    int64_t kv_head) {
  attend_tree(call, tree, kv_head);
}
MOP_CLONES void attend_with_vectors(const Call<uint16_t>& call, const SequenceTree& tree,
                                    int64_t kv_head) {
  attend_tree(call, tree, kv_head);
}

bool on_tiles(int64_t size) { return size % 32 == 0 && tiles::available(); }

/// A unit of parallel work: one KV head of one tree, or a part of its queries where heads and trees
/// are few.
struct Task {
  int64_t tree, kv_head, part, parts;
};

void attend_one(const Call<float>& call, const SequenceTree& tree, const Task& task) {
  attend_with_vectors(call, tree, task.kv_head);
}
void attend_one(const Call<uint16_t>& call, const SequenceTree& tree, const Task& task) {
  if (on_tiles(call.size)) {
    attend_with_tiles(call, tree, task.kv_head, task.part, task.parts);
  } else {
    attend_with_vectors(call, tree, task.kv_head);
  }
}

template <typename T>
int64_t parts_of(const Call<T>& call, int64_t trees) {
  if (sizeof(T) == sizeof(float) || !on_tiles(call.size)) return 1;
  const int64_t whole = std::max<int64_t>(1, trees * call.kv_heads);
  return (4 * at::get_num_threads() + whole - 1) / whole;
}

}  // namespace

std::vector<SequenceTree> trees_of(const Packing& packing) {
  std::vector<SequenceTree> trees;
  int64_t token = 0;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const int64_t length = packing.lengths[s];
    if (packing.branches.empty() || !packing.branches[s]) {
      trees.push_back({token, length, length, {}});
    } else {
      trees.back().branches.push_back(length);
      trees.back().tokens += length;
    }
    token += length;
  }
  return trees;
}

bool short_attention_fits(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                          const at::Tensor& value_NKE) {
  const int64_t size = query_NHE.size(2);
  return size % kLanes == 0 && size <= kMaxHeadSize && fused({&query_NHE, &key_NKE, &value_NKE});
}

bool is_short(const at::Tensor& query_NHE, int64_t tokens) {
  if (query_NHE.scalar_type() == at::kFloat) return tokens <= kMaxTreeTokens;
  if (on_tiles(query_NHE.size(2))) return tokens <= kMaxTreeTokensOnTiles;
  return tokens * query_NHE.size(1) * query_NHE.size(2) <= kMaxBfloat16Queries;
}

std::vector<SequenceTree> short_attention_(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                                           const at::Tensor& value_NKE,
                                           std::vector<SequenceTree> trees,
                                           std::optional<int64_t> window) {
  const auto middle = std::stable_partition(
      trees.begin(), trees.end(),
      [&](const SequenceTree& tree) { return is_short(query_NHE, tree.tokens); });
  const int64_t kv_heads = key_NKE.size(1);
  with_type(query_NHE, [&](auto type) {
    using T = decltype(type);
    const Call<T> call{raw<T>(query_NHE),
                       raw<T>(key_NKE),
                       raw<T>(value_NKE),
                       query_NHE.size(1),
                       kv_heads,
                       query_NHE.size(2),
                       window.value_or(std::numeric_limits<int64_t>::max())};
    const int64_t count = middle - trees.begin(), parts = parts_of(call, count);
    shared_tasks(count * kv_heads * parts, [&](int64_t i) {
      const Task task{i / parts / kv_heads, i / parts % kv_heads, i % parts, parts};
      attend_one(call, trees[static_cast<size_t>(task.tree)], task);
    });
  });
  return {middle, trees.end()};
}

}  // namespace mop
