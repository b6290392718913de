// model/short_attention.h -- causal attention of many short sequences, each with its branches
// (Packing::branches). A general kernel's cost per call is more than such a sequence's work. CPU,
// float32 and bfloat16, no gradient, no cache. Shape letters as in forward.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "model/forward.h"

namespace mop {

/// A beginning and the branches that continue it, one after the other in the packing.
struct SequenceTree {
  int64_t first_token = 0;
  int64_t prefix = 0;             ///< tokens of the beginning
  int64_t tokens = 0;             ///< of all
  std::vector<int64_t> branches;  ///< lengths
};
/// A sequence without branches is a tree of a beginning alone.
std::vector<SequenceTree> trees_of(const Packing& packing);

/// What it reads and writes for all trees: contiguous numbers, float or uint16_t for bfloat16.
template <typename T>
struct ShortAttentionCall {
  T* query_NHE;
  const T *key_NKE, *value_NKE;
  int64_t heads, kv_heads, size;
  int64_t window;  ///< tokens
};

/// Whether `short_attention_` takes tensors like these: on the CPU, contiguous, a head size that is
/// a multiple of 16.
bool short_attention_fits(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                          const at::Tensor& value_NKE);
/// Whether a tree of so many tokens is one that it is faster for. Each is asked alone, so that its
/// neighbours in a packing never change its figures.
bool is_short(const at::Tensor& query_NHE, int64_t tokens);

/// Overwrites the queries of the short trees with their heads' results and gives the other trees.
/// Sums and the softmax run in float32. `window`: tokens a query sees, itself included.
std::vector<SequenceTree> short_attention_(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                                           const at::Tensor& value_NKE,
                                           std::vector<SequenceTree> trees,
                                           std::optional<int64_t> window);

}  // namespace mop
