// model/short_attention.h -- causal attention of many short sequences, each with its branches
// (Packing::branches), for which the cost per call of a general kernel exceeds the work. CPU,
// float32 and bfloat16, no gradient, no cache. Shape letters as in forward.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "model/forward.h"

namespace mop {

/// A prefix and the branches that continue it, consecutive in the packing.
struct SequenceTree {
  int64_t first_token = 0;
  int64_t prefix = 0;             ///< tokens
  int64_t tokens = 0;             ///< of the prefix and all branches
  std::vector<int64_t> branches;  ///< tokens of each branch
};
/// A sequence without branches becomes a tree that has a prefix only.
std::vector<SequenceTree> trees_of(const Packing& packing);

/// Operands for all trees, contiguous; T is float, or uint16_t for bfloat16. The result overwrites
/// query_NHE.
template <typename T>
struct ShortAttentionCall {
  T* query_NHE;
  const T *key_NKE, *value_NKE;
  int64_t heads, kv_heads, size;
  int64_t window;  ///< tokens
};

/// Whether `short_attention_` supports these tensors: on the CPU, contiguous, a head size that is a
/// multiple of 16 and at most 256.
bool short_attention_fits(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                          const at::Tensor& value_NKE);
/// Whether `short_attention_` is faster than LibTorch for a tree of `tokens` tokens. Decided per
/// tree, so that a tree's result does not depend on the other trees of the packing.
bool is_short(const at::Tensor& query_NHE, int64_t tokens);

/// Computes the short trees, overwriting their queries with the result, and returns the other
/// trees. Sums and the softmax are float32. `window`: number of tokens a query sees, including
/// itself.
std::vector<SequenceTree> short_attention_(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                                           const at::Tensor& value_NKE,
                                           std::vector<SequenceTree> trees,
                                           std::optional<int64_t> window);

}  // namespace mop
