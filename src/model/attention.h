// model/attention.h -- causal attention of packed sequences, with grouped queries, a sliding window
// and a KV cache. Shape letters as in forward.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "model/kv_cache.h"

namespace mop {

class PackingOnDevice;

struct AttentionCall {
  const Packing& packing;
  std::optional<int64_t> window;  ///< tokens a query sees, including itself
  KvCache::State* cache = nullptr;
  int64_t layer = 0;  ///< index in the cache
  int64_t first_sequence = 0;
  bool reuse_query = false;           ///< the result may overwrite the query (no gradient)
  PackingOnDevice* packed = nullptr;  ///< of this packing; null = created for the call
};

/// Returns heads_NQ. Queries and keys must have rotary positions applied. Source: arXiv 1706.03762;
/// grouped queries: arXiv 2305.13245.
at::Tensor attend(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                  const at::Tensor& value_NKE, const AttentionCall& call);

}  // namespace mop
