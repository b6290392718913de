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
  std::optional<int64_t> window;  ///< tokens a query sees, itself included
  KvCache::State* cache = nullptr;
  int64_t layer = 0;  ///< slots of the cache
  int64_t first_sequence = 0;
  bool reuse_query = false;           ///< the result may lie in the query's memory (no gradient)
  PackingOnDevice* packed = nullptr;  ///< of this packing; null = made for the call
};

/// Queries and keys already turned by their positions -> heads_NQ.
/// Source: arXiv 1706.03762; grouped queries 2305.13245.
at::Tensor attend(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                  const at::Tensor& value_NKE, const AttentionCall& call);

}  // namespace mop
