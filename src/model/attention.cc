// model/attention.cc
#include "model/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "model/branch_attention.h"
#include "model/device_attention.h"
#include "model/sequence_runs.h"
#include "model/short_attention.h"

namespace mop {
namespace {

// Splits x into one [B, T, H, E] view per run. A single split, so that its gradient is a single
// concatenation.
std::vector<at::Tensor> by_run(const at::Tensor& x_NHE, const std::vector<SequenceRun>& runs) {
  std::vector<int64_t> sizes;
  for (const SequenceRun& run : runs) sizes.push_back(run.num_sequences * run.length);
  std::vector<at::Tensor> parts = x_NHE.split_with_sizes(sizes);
  for (size_t r = 0; r < runs.size(); ++r) {
    parts[r] = parts[r].view({runs[r].num_sequences, runs[r].length, x_NHE.size(1), x_NHE.size(2)});
  }
  return parts;
}

// Returns [T, L], true where the last `queries` of `keys` tokens see a key.
at::Tensor visible(int64_t queries, int64_t keys, std::optional<int64_t> window) {
  const at::Tensor key_1L = at::arange(keys, at::kLong).unsqueeze(0);
  const at::Tensor query_T1 = at::arange(keys - queries, keys, at::kLong).unsqueeze(1);
  const at::Tensor seen_TL = key_1L.le(query_T1);
  return window ? seen_TL.logical_and(key_1L.gt(query_T1 - *window)) : seen_TL;
}

// Queries that share a mask where a window hides keys: the masks of a long prompt stay small, and
// hidden keys cost nothing.
constexpr int64_t kWindowBlock = 512;

// A null mask hides nothing but what `causal` does. -> [B, T, H, E].
at::Tensor attend_masked(const at::Tensor& query_BTHE, const at::Tensor& key_BLKE,
                         const at::Tensor& value_BLKE, const std::optional<at::Tensor>& mask_TL,
                         bool causal) {
  const bool grouped = query_BTHE.size(2) != key_BLKE.size(2);
  return at::scaled_dot_product_attention(query_BTHE.transpose(1, 2), key_BLKE.transpose(1, 2),
                                          value_BLKE.transpose(1, 2), mask_TL, 0.0, causal,
                                          std::nullopt, grouped)
      .transpose(1, 2);
}

at::Tensor attend_windowed(const at::Tensor& query_BTHE, const at::Tensor& key_BLKE,
                           const at::Tensor& value_BLKE, int64_t window) {
  const int64_t queries = query_BTHE.size(1), before = key_BLKE.size(1) - queries;
  std::vector<at::Tensor> parts;
  std::optional<at::Tensor> mask_TL;
  for (int64_t first = 0; first < queries; first += kWindowBlock) {
    const int64_t count = std::min(kWindowBlock, queries - first);
    const int64_t from = std::max<int64_t>(0, before + first - window + 1);
    const int64_t keys = before + first + count - from;
    if (!mask_TL || mask_TL->size(0) != count || mask_TL->size(1) != keys)
      mask_TL = visible(count, keys, window);
    parts.push_back(attend_masked(query_BTHE.narrow(1, first, count),
                                  key_BLKE.narrow(1, from, keys), value_BLKE.narrow(1, from, keys),
                                  mask_TL, /*causal=*/false));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

// query_BTHE, key_BLKE and value_BLKE -> [B, T, H, E].
at::Tensor attend_batch(const at::Tensor& query_BTHE, at::Tensor key_BLKE, at::Tensor value_BLKE,
                        std::optional<int64_t> window) {
  const int64_t queries = query_BTHE.size(1);
  int64_t keys = key_BLKE.size(1);
  if (queries == 1 && window && *window < keys) {
    key_BLKE = key_BLKE.narrow(1, keys - *window, *window);
    value_BLKE = value_BLKE.narrow(1, keys - *window, *window);
    keys = *window;
  }
  if (queries > 1 && window && *window < keys)
    return attend_windowed(query_BTHE, key_BLKE, value_BLKE, *window);
  const bool causal = queries == keys && queries > 1;
  std::optional<at::Tensor> mask_TL;
  if (queries > 1 && !causal) mask_TL = visible(queries, keys, std::nullopt);
  return attend_masked(query_BTHE, key_BLKE, value_BLKE, mask_TL, causal);
}

}  // namespace

at::Tensor attend(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                  const at::Tensor& value_NKE, const AttentionCall& call) {
  if (!query_NHE.is_cpu()) {
    if (call.packed != nullptr) {
      return attend_on_device(query_NHE, key_NKE, value_NKE, call, *call.packed);
    }
    PackingOnDevice packed(call.packing, query_NHE.device());
    return attend_on_device(query_NHE, key_NKE, value_NKE, call, packed);
  }
  if (!call.packing.branches.empty()) return attend_branches(query_NHE, key_NKE, value_NKE, call);
  const std::vector<SequenceRun> runs = runs_of(call.packing);
  // True if the keys given include all keys that the queries see, none of them in the cache.
  const bool fresh =
      call.cache == nullptr ||
      std::all_of(runs.begin(), runs.end(), [](const SequenceRun& r) { return r.start == 0; });
  const bool short_ones =
      call.reuse_query && fresh && short_attention_fits(query_NHE, key_NKE, value_NKE);
  if (short_ones) {
    const auto left =
        short_attention_(query_NHE, key_NKE, value_NKE, trees_of(call.packing), call.window);
    if (left.empty() && call.cache == nullptr) return query_NHE.flatten(1);
  }
  const auto query = by_run(query_NHE, runs), key = by_run(key_NKE, runs),
             value = by_run(value_NKE, runs);
  std::vector<at::Tensor> heads;
  for (size_t r = 0; r < runs.size(); ++r) {
    const SequenceRun& run = runs[r];
    const at::Tensor& query_BTHE = query[r];
    at::Tensor key_BLKE = key[r], value_BLKE = value[r];
    if (call.cache != nullptr) {
      std::tie(key_BLKE, value_BLKE) = call.cache->append(
          call.layer, call.first_sequence + run.first_sequence, run.start, key_BLKE, value_BLKE);
    }
    if (short_ones && is_short(query_NHE, run.length)) continue;
    const at::Tensor out_BTHE = attend_batch(query_BTHE, key_BLKE, value_BLKE, call.window);
    if (call.reuse_query && runs.size() > 1) {
      query_BTHE.copy_(out_BTHE);
    } else {
      heads.push_back(out_BTHE.reshape({run.num_sequences * run.length, -1}));
    }
  }
  if (heads.empty()) return query_NHE.flatten(1);
  return heads.size() == 1 ? heads.front() : at::cat(heads);
}

}  // namespace mop
