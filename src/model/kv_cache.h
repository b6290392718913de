// model/kv_cache.h -- internals of the KV cache. Shape letters: S sequences of the cache, C its
// capacity in tokens, B sequences and T tokens of a call, L = cached tokens + T, K KV heads, E head
// size.
#pragma once
#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "model/forward.h"

namespace mop {

struct KvCache::State {
  struct LayerMemory {
    at::Tensor key_SCKE, value_SCKE;
  };
  std::vector<LayerMemory> layers;
  std::vector<int64_t> lengths;  // tokens of each sequence
  int64_t capacity = 0;
  Compute compute;

  /// Stores keys and values of sequences [first, first + B) from position `start` on and returns
  /// all keys and values up to there: views [B, L, K, E].
  std::pair<at::Tensor, at::Tensor> append(int64_t layer, int64_t first, int64_t start,
                                           const at::Tensor& key_BTKE,
                                           const at::Tensor& value_BTKE);
  /// Throws Error(kInternal) unless the packing continues the cached sequences.
  void check(const Packing& packing) const;
  /// Updates the lengths after the packing's sequences, the first of which is number `first`, were
  /// stored.
  void advance(const Packing& packing, int64_t first);
};

}  // namespace mop
