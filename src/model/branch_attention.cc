// model/branch_attention.cc -- processes one tree (a prefix and its branches) at a time, trees in
// parallel, since there are many small ones. Shape letters as in forward.h; P tokens of a prefix, S
// of all its branches, T = P + S.
#include "model/branch_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <limits>

#include "base/error.h"
#include "model/short_attention.h"

namespace mop {
namespace {

// Additive mask of the branches' tokens: [S, T], 0 where visible, else -infinity.
at::Tensor branch_mask(const SequenceTree& tree, std::optional<int64_t> window) {
  const int64_t total = tree.tokens;
  at::Tensor mask_ST =
      at::full({total - tree.prefix, total}, -std::numeric_limits<float>::infinity(), at::kFloat);
  float* row = mask_ST.mutable_data_ptr<float>();
  int64_t branch_begin = tree.prefix;
  for (const int64_t length : tree.branches) {
    for (int64_t t = 0; t < length; ++t, row += total) {
      const int64_t oldest = window ? std::max<int64_t>(0, tree.prefix + t + 1 - *window) : 0;
      for (int64_t k = oldest; k < tree.prefix; ++k) row[k] = 0;
      const int64_t own = std::max<int64_t>(0, oldest - tree.prefix);
      for (int64_t k = own; k <= t; ++k) row[branch_begin + k] = 0;
    }
    branch_begin += length;
  }
  return mask_ST;
}

// Additive mask of a sequence with a sliding window: [P, P].
at::Tensor window_mask(int64_t length, int64_t window) {
  const at::Tensor age_PP =
      at::arange(length, at::kLong).unsqueeze(1) - at::arange(length, at::kLong).unsqueeze(0);
  const at::Tensor hidden_PP = age_PP.lt(0).logical_or(age_PP.ge(window));
  return at::zeros({length, length}, at::kFloat)
      .masked_fill(hidden_PP, -std::numeric_limits<float>::infinity());
}

// One tree's tensors, each [T, heads, E].
struct Tokens {
  at::Tensor query_THE, key_TKE, value_TKE;
};

// Attention of queries [first, first + count) over keys [0, keys): [count, H, E].
at::Tensor attend_part(const Tokens& x, int64_t first, int64_t count, int64_t keys,
                       const std::optional<at::Tensor>& mask) {
  const auto heads_first = [](const at::Tensor& part) { return part.unsqueeze(0).transpose(1, 2); };
  const at::Tensor query = heads_first(x.query_THE.narrow(0, first, count));
  std::optional<at::Tensor> typed;
  if (mask) typed = mask->to(query.scalar_type());
  const bool grouped = x.query_THE.size(1) != x.key_TKE.size(1);
  return at::scaled_dot_product_attention(query, heads_first(x.key_TKE.narrow(0, 0, keys)),
                                          heads_first(x.value_TKE.narrow(0, 0, keys)), typed, 0.0,
                                          !mask && count > 1, std::nullopt, grouped)
      .transpose(1, 2)
      .squeeze(0);
}

at::Tensor attend_tree(const Tokens& x, const SequenceTree& tree, std::optional<int64_t> window) {
  std::optional<at::Tensor> cut;
  if (window && *window < tree.prefix) cut = window_mask(tree.prefix, *window);
  const at::Tensor prefix_PHE = attend_part(x, 0, tree.prefix, tree.prefix, cut);
  if (tree.branches.empty()) return prefix_PHE;
  return at::cat({prefix_PHE, attend_part(x, tree.prefix, tree.tokens - tree.prefix, tree.tokens,
                                          branch_mask(tree, window))});
}

}  // namespace

at::Tensor attend_branches(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                           const at::Tensor& value_NKE, const AttentionCall& call) {
  if (call.cache != nullptr) throw internal_error("branches are not supported with a KV cache");
  std::vector<SequenceTree> trees = trees_of(call.packing);
  if (call.reuse_query && short_attention_fits(query_NHE, key_NKE, value_NKE)) {
    trees = short_attention_(query_NHE, key_NKE, value_NKE, std::move(trees), call.window);
  }
  std::vector<at::Tensor> heads(trees.size());
  const auto attend_range = [&](int64_t begin, int64_t end) {
    for (int64_t f = begin; f < end; ++f) {
      const SequenceTree& tree = trees[static_cast<size_t>(f)];
      const auto own = [&](const at::Tensor& x_NHE) {
        return x_NHE.narrow(0, tree.first_token, tree.tokens);
      };
      const at::Tensor out_THE =
          attend_tree({own(query_NHE), own(key_NKE), own(value_NKE)}, tree, call.window);
      if (call.reuse_query) {
        own(query_NHE).copy_(out_THE);
      } else {
        heads[static_cast<size_t>(f)] = out_THE.flatten(1);
      }
    }
  };
  const auto num_trees = static_cast<int64_t>(trees.size());
  if (call.reuse_query) {
    at::parallel_for(0, num_trees, 1, [&](int64_t begin, int64_t end) {
      const at::NoGradGuard no_grad;  // the gradient mode is per thread
      attend_range(begin, end);
    });
  } else {
    attend_range(0, num_trees);
  }
  return call.reuse_query ? query_NHE.flatten(1) : at::cat(heads);
}

}  // namespace mop
