// model/device_attention.cc
#include "model/device_attention.h"

#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "model/differentiable.h"
#include "model/sequence_runs.h"

namespace mop {
namespace {

// Queries, keys and values of sequences of equal length: [B, T, H, E], [B, L, K, E].
struct Batch {
  at::Tensor query_BTHE, key_BLKE, value_BLKE;
};

at::Tensor heads_first(const at::Tensor& x_BTHE) { return x_BTHE.transpose(1, 2); }

bool wants_gradient(const at::Tensor& x) { return at::GradMode::is_enabled() && x.requires_grad(); }

// LibTorch's own check, which also considers the GPU's generation.
bool flash_takes(const Batch& x, bool causal) {
  if (!x.query_BTHE.is_cuda() || x.query_BTHE.size(3) % 8 != 0) return false;
  const bool grouped = x.query_BTHE.size(2) != x.key_BLKE.size(2);
  return at::_fused_sdp_choice(heads_first(x.query_BTHE), heads_first(x.key_BLKE),
                               heads_first(x.value_BLKE), std::nullopt, 0.0, causal, std::nullopt,
                               grouped) == static_cast<int64_t>(at::SDPBackend::flash_attention);
}

at::Tensor fused(const Batch& x, const std::optional<at::Tensor>& mask_TL, bool causal) {
  const bool grouped = x.query_BTHE.size(2) != x.key_BLKE.size(2);
  return heads_first(at::scaled_dot_product_attention(
      heads_first(x.query_BTHE), heads_first(x.key_BLKE), heads_first(x.value_BLKE), mask_TL, 0.0,
      causal, std::nullopt, grouped));
}

// Repeats each KV head for every query head that reads it.
at::Tensor repeat_kv_heads(const at::Tensor& x_BLKE, int64_t heads) {
  return x_BLKE.unsqueeze(3)
      .expand({-1, -1, -1, heads / x_BLKE.size(2), -1})
      .reshape({x_BLKE.size(0), x_BLKE.size(1), heads, x_BLKE.size(3)});
}

// Only flash attention supports grouped heads; for other backends LibTorch would materialise all
// scores.
at::Tensor attend_batch(const Batch& x, const std::optional<at::Tensor>& mask_TL, bool causal) {
  const int64_t heads = x.query_BTHE.size(2), kv_heads = x.key_BLKE.size(2);
  if (heads == kv_heads || (!mask_TL && flash_takes(x, causal))) return fused(x, mask_TL, causal);
  if (x.query_BTHE.size(1) > 1) {
    return fused(
        {x.query_BTHE, repeat_kv_heads(x.key_BLKE, heads), repeat_kv_heads(x.value_BLKE, heads)},
        mask_TL, causal);
  }
  // With one token, the query heads of a group are treated as queries that see the same keys.
  const at::Tensor query_BGKE =
      x.query_BTHE.squeeze(1).unflatten(1, {kv_heads, heads / kv_heads}).transpose(1, 2);
  return fused({query_BGKE, x.key_BLKE, x.value_BLKE}, std::nullopt, false)
      .transpose(1, 2)
      .reshape(x.query_BTHE.sizes());
}

// Splits x into one [B, T, heads, E] view per part. A single split, so that its gradient is a
// single concatenation.
std::vector<at::Tensor> split(const at::Tensor& x_NHE,
                              const std::vector<std::pair<int64_t, int64_t>>& batches) {
  std::vector<int64_t> sizes;
  for (const auto& [count, length] : batches) sizes.push_back(count * length);
  std::vector<at::Tensor> parts = x_NHE.split_with_sizes(sizes);
  for (size_t p = 0; p < parts.size(); ++p) {
    parts[p] = parts[p].unflatten(0, {batches[p].first, batches[p].second});
  }
  return parts;
}

at::Tensor joined(const std::vector<at::Tensor>& parts_NQ) {
  return parts_NQ.size() == 1 ? parts_NQ.front() : at::cat(parts_NQ);
}

at::Tensor rows_of(const at::Tensor& out_BTHE) {
  return out_BTHE.reshape({out_BTHE.size(0) * out_BTHE.size(1), -1});
}

// `x` contains all keys of the run, including those of a cache.
at::Tensor attend_run(Batch x, std::optional<int64_t> window, PackingOnDevice& packed) {
  const int64_t queries = x.query_BTHE.size(1);
  int64_t keys = x.key_BLKE.size(1);
  if (queries == 1 && window && *window < keys) {
    x.key_BLKE = x.key_BLKE.narrow(1, keys - *window, *window);
    x.value_BLKE = x.value_BLKE.narrow(1, keys - *window, *window);
    keys = *window;
  }
  if (queries == 1) return attend_batch(x, std::nullopt, false);
  const bool cut = window && *window < keys;
  if (queries == keys && !cut) return attend_batch(x, std::nullopt, true);
  return attend_batch(x, packed.causal_mask(queries, keys, window, x.query_BTHE.scalar_type()),
                      false);
}

at::Tensor attend_runs(const Batch& x_NHE, const AttentionCall& call, PackingOnDevice& packed) {
  const std::vector<SequenceRun> runs = runs_of(call.packing);
  std::vector<std::pair<int64_t, int64_t>> batches;
  for (const SequenceRun& run : runs) batches.emplace_back(run.num_sequences, run.length);
  const auto query = split(x_NHE.query_BTHE, batches), key = split(x_NHE.key_BLKE, batches),
             value = split(x_NHE.value_BLKE, batches);
  std::vector<at::Tensor> heads;
  for (size_t r = 0; r < runs.size(); ++r) {
    Batch x{query[r], key[r], value[r]};
    if (call.cache != nullptr) {
      std::tie(x.key_BLKE, x.value_BLKE) =
          call.cache->append(call.layer, call.first_sequence + runs[r].first_sequence,
                             runs[r].start, x.key_BLKE, x.value_BLKE);
    }
    heads.push_back(rows_of(attend_run(std::move(x), call.window, packed)));
  }
  return joined(heads);
}

// Trees of equal shape, [B, T, heads, E]: first the prefixes, then all branches over all tokens.
at::Tensor attend_equal_trees(const Batch& x, const SequenceTree& tree,
                              std::optional<int64_t> window, PackingOnDevice& packed) {
  const auto first = [&](const at::Tensor& all) { return all.narrow(1, 0, tree.prefix); };
  const at::Tensor prefix_BPHE =
      attend_run({first(x.query_BTHE), first(x.key_BLKE), first(x.value_BLKE)}, window, packed);
  if (tree.branches.empty()) return prefix_BPHE;
  const at::Tensor query_BSHE = x.query_BTHE.narrow(1, tree.prefix, tree.tokens - tree.prefix);
  const at::Tensor mask_ST = packed.branch_mask(tree, window, x.query_BTHE.scalar_type());
  return at::cat(
      {prefix_BPHE, attend_batch({query_BSHE, x.key_BLKE, x.value_BLKE}, mask_ST, false)}, 1);
}

at::Tensor attend_trees(const Batch& x_NHE, const AttentionCall& call, PackingOnDevice& packed) {
  const std::vector<EqualTrees> equal = equal_trees(call.packing);
  std::vector<std::pair<int64_t, int64_t>> batches;
  for (const EqualTrees& trees : equal) batches.emplace_back(trees.count, trees.first.tokens);
  const auto query = split(x_NHE.query_BTHE, batches), key = split(x_NHE.key_BLKE, batches),
             value = split(x_NHE.value_BLKE, batches);
  std::vector<at::Tensor> heads;
  for (size_t e = 0; e < equal.size(); ++e) {
    heads.push_back(rows_of(
        attend_equal_trees({query[e], key[e], value[e]}, equal[e].first, call.window, packed)));
  }
  return joined(heads);
}

void append_to_cache(const Batch& x_NHE, const AttentionCall& call) {
  const std::vector<SequenceRun> runs = runs_of(call.packing);
  std::vector<std::pair<int64_t, int64_t>> batches;
  for (const SequenceRun& run : runs) batches.emplace_back(run.num_sequences, run.length);
  const auto key = split(x_NHE.key_BLKE, batches), value = split(x_NHE.value_BLKE, batches);
  for (size_t r = 0; r < runs.size(); ++r) {
    call.cache->append(call.layer, call.first_sequence + runs[r].first_sequence, runs[r].start,
                       key[r], value[r]);
  }
}

// Whether the call's keys include all keys that its queries see.
bool is_fresh(const AttentionCall& call) {
  const auto& starts = call.packing.starts;
  return call.cache == nullptr ||
         std::all_of(starts.begin(), starts.end(), [](int64_t start) { return start == 0; });
}

bool segments_fit(const Batch& x_NHE, const AttentionCall& call) {
  if (!x_NHE.query_BTHE.is_cuda() || !is_fresh(call)) return false;
  // The gradient of gathering a prefix's keys for each branch is summed in nondeterministic order.
  if (!call.packing.branches.empty() && wants_gradient(x_NHE.key_BLKE)) return false;
  const auto one = [](const at::Tensor& x) { return x.unsqueeze(0); };
  return flash_takes({one(x_NHE.query_BTHE), one(x_NHE.key_BLKE), one(x_NHE.value_BLKE)}, true);
}

}  // namespace

at::Tensor attend_segments(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                           const at::Tensor& value_NKE, std::optional<int64_t> window,
                           PackingOnDevice& packed) {
  std::vector<at::Tensor> heads;
  for (const AttentionSegments& s : packed.segments()) {
    const auto own = [&](const at::Tensor& x) { return x.narrow(0, s.first_token, s.tokens); };
    const auto seen = [&](const at::Tensor& x) {
      return s.keys_L.defined() ? x.index_select(0, s.keys_L) : own(x);
    };
    const FlashCall call{.query_ends = s.query_ends,
                         .key_ends = s.key_ends,
                         .longest_query = s.longest_query,
                         .longest_key = s.longest_key,
                         .window = window};
    heads.push_back(
        flash_attention(own(query_NHE), seen(key_NKE), seen(value_NKE), call).flatten(1));
  }
  return joined(heads);
}

at::Tensor attend_on_device(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                            const at::Tensor& value_NKE, const AttentionCall& call,
                            PackingOnDevice& packed) {
  const Batch x_NHE{query_NHE, key_NKE, value_NKE};
  const bool branches = !call.packing.branches.empty();
  if (branches && call.cache != nullptr) {
    throw internal_error("branches are not supported with a KV cache");
  }
  if (segments_fit(x_NHE, call)) {
    if (call.cache != nullptr) append_to_cache(x_NHE, call);
    return attend_segments(query_NHE, key_NKE, value_NKE, call.window, packed);
  }
  return branches ? attend_trees(x_NHE, call, packed) : attend_runs(x_NHE, call, packed);
}

}  // namespace mop
