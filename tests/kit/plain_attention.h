// tests/kit/plain_attention.h -- reference attention: LibTorch's attention over all tokens in
// float64 on the CPU, with an explicit mask.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "model/forward.h"

namespace mop::testing {

/// [N, N] bool: same sequence or branch, not later, within the window.
inline at::Tensor seen_by(const Packing& packing, std::optional<int64_t> window) {
  std::vector<int64_t> tree, branch, position;
  int64_t trees = 0, beginning = 0;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const bool branches = !packing.branches.empty() && packing.branches[s];
    if (!branches) ++trees, beginning = packing.lengths[s];
    for (int64_t t = 0; t < packing.lengths[s]; ++t) {
      tree.push_back(trees);
      branch.push_back(branches ? static_cast<int64_t>(s) : -1);
      position.push_back(branches ? beginning + t : t);
    }
  }
  const auto tokens = static_cast<int64_t>(tree.size());
  const at::Tensor seen = at::zeros({tokens, tokens}, at::kBool);
  bool* row = seen.mutable_data_ptr<bool>();
  for (size_t q = 0; q < tree.size(); ++q, row += tokens) {
    for (size_t k = 0; k < tree.size(); ++k) {
      const bool related = tree[q] == tree[k] && (branch[k] == -1 || branch[k] == branch[q]);
      const int64_t age = position[q] - position[k];
      row[k] = related && age >= 0 && (!window || age < *window);
    }
  }
  return seen;
}

/// Returns heads_NHE in float64; differentiable.
inline at::Tensor plain_attention(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                                  const at::Tensor& value_NKE, const Packing& packing,
                                  std::optional<int64_t> window) {
  const auto wide = [](const at::Tensor& t) { return t.to(at::kCPU, at::kDouble).transpose(0, 1); };
  const int64_t group = query_NHE.size(1) / key_NKE.size(1);
  return at::scaled_dot_product_attention(
             wide(query_NHE), wide(key_NKE).repeat_interleave(group, 0),
             wide(value_NKE).repeat_interleave(group, 0), seen_by(packing, window))
      .transpose(0, 1);
}

}  // namespace mop::testing
