// model/packing_on_device.cc
#include "model/packing_on_device.h"

#include <ATen/ATen.h>

#include <limits>

#include "model/seen_keys.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Maximum number of keys gathered for branches at once: 1 GiB for keys and values of 4096 bfloat16
// each.
constexpr int64_t kMostKeys = 65536;
constexpr int64_t kRowAlignment = 16;
constexpr int64_t kNoWindow = std::numeric_limits<int32_t>::max();

at::Tensor uploaded(const std::vector<int32_t>& numbers, c10::Device device) {
  return upload(at::tensor(numbers, at::kInt), device);
}

// Additive mask: 0 where `seen_TL`, else -infinity.
at::Tensor added_mask(const at::Tensor& seen_TL, c10::ScalarType dtype) {
  const int64_t queries = seen_TL.size(0), keys = seen_TL.size(1);
  const int64_t stride = (keys + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  at::Tensor mask_TL =
      at::zeros({queries, stride}, seen_TL.options().dtype(dtype)).narrow(1, 0, keys);
  return mask_TL.masked_fill_(seen_TL.logical_not(), -std::numeric_limits<float>::infinity());
}

// An AttentionSegments as integers on the host.
struct SegmentNumbers {
  int64_t first_token = 0, tokens = 0;
  std::vector<int32_t> query_ends = {0}, key_ends = {0}, keys;
  int64_t longest_query = 0, longest_key = 0;

  void add_keys(int64_t first, int64_t count) {
    for (int64_t k = 0; k < count; ++k) keys.push_back(static_cast<int32_t>(first + k));
  }
  void add_sequence(int64_t length, int64_t seen) {
    tokens += length;
    query_ends.push_back(static_cast<int32_t>(query_ends.back() + length));
    key_ends.push_back(static_cast<int32_t>(key_ends.back() + seen));
    longest_query = std::max(longest_query, length);
    longest_key = std::max(longest_key, seen);
  }
  void add_tree(const SequenceTree& tree) {
    add_sequence(tree.prefix, tree.prefix);
    add_keys(tree.first_token, tree.prefix);
    int64_t first = tree.first_token + tree.prefix;
    for (const int64_t length : tree.branches) {
      add_sequence(length, tree.prefix + length);
      add_keys(tree.first_token, tree.prefix);
      add_keys(first, length);
      first += length;
    }
  }
};

std::vector<SegmentNumbers> segment_numbers(const Packing& packing) {
  std::vector<SegmentNumbers> all(1);
  if (packing.branches.empty()) {
    for (const int64_t length : packing.lengths) all.back().add_sequence(length, length);
    return all;
  }
  for (const SequenceTree& tree : trees_of(packing)) {
    if (static_cast<int64_t>(all.back().keys.size()) >= kMostKeys) all.emplace_back();
    if (all.back().tokens == 0) all.back().first_token = tree.first_token;
    all.back().add_tree(tree);
  }
  return all;
}

}  // namespace

std::vector<EqualTrees> equal_trees(const Packing& packing) {
  std::vector<EqualTrees> equal;
  for (SequenceTree& tree : trees_of(packing)) {
    if (!equal.empty() && equal.back().first.prefix == tree.prefix &&
        equal.back().first.branches == tree.branches) {
      ++equal.back().count;
    } else {
      equal.push_back({std::move(tree), 1});
    }
  }
  return equal;
}

PackingOnDevice::PackingOnDevice(Packing packing, c10::Device device)
    : packing_(std::move(packing)), device_(device) {}

const std::vector<AttentionSegments>& PackingOnDevice::segments() {
  if (!segments_.empty()) return segments_;
  const std::vector<SegmentNumbers> numbers = segment_numbers(packing_);
  std::vector<int32_t> flat;
  for (const SegmentNumbers& s : numbers) {
    for (const auto* part : {&s.query_ends, &s.key_ends, &s.keys}) {
      flat.insert(flat.end(), part->begin(), part->end());
    }
  }
  const at::Tensor on_device = uploaded(flat, device_);
  int64_t done = 0;
  const auto next = [&](const std::vector<int32_t>& part) {
    const auto count = static_cast<int64_t>(part.size());
    done += count;
    return on_device.narrow(0, done - count, count);
  };
  for (const SegmentNumbers& s : numbers) {
    AttentionSegments& segment = segments_.emplace_back();
    segment.first_token = s.first_token;
    segment.tokens = s.tokens;
    segment.query_ends = next(s.query_ends);
    segment.key_ends = next(s.key_ends);
    if (!s.keys.empty()) segment.keys_L = next(s.keys);
    segment.longest_query = s.longest_query;
    segment.longest_key = s.longest_key;
  }
  return segments_;
}

at::Tensor PackingOnDevice::causal_mask(int64_t queries, int64_t keys,
                                        std::optional<int64_t> window, c10::ScalarType dtype) {
  at::Tensor& mask_TL = causal_masks_[{queries, keys, window.value_or(kNoWindow), dtype}];
  if (mask_TL.defined()) return mask_TL;
  const auto numbers = at::TensorOptions().dtype(at::kInt).device(device_);
  const at::Tensor key_1L = at::arange(keys, numbers).unsqueeze(0);
  const at::Tensor query_T1 = at::arange(keys - queries, keys, numbers).unsqueeze(1);
  at::Tensor seen_TL = key_1L.le(query_T1);
  if (window) seen_TL = seen_TL.logical_and_(key_1L.gt(query_T1 - *window));
  return mask_TL = added_mask(seen_TL, dtype);
}

const at::Tensor& PackingOnDevice::seen_N4(int64_t window) {
  at::Tensor& seen = seen_by_window_[window];
  if (seen.defined()) return seen;
  std::vector<int32_t> numbers;
  for (const SequenceTree& tree : trees_of(packing_)) {
    for (const SeenKeys& keys : seen_keys(tree, window)) {
      numbers.insert(numbers.end(),
                     {keys.prefix_begin, keys.prefix_end, keys.own_begin, keys.own_end});
    }
  }
  return seen = uploaded(numbers, device_).view({-1, 4});
}

at::Tensor PackingOnDevice::branch_mask(const SequenceTree& tree, std::optional<int64_t> window,
                                        c10::ScalarType dtype) {
  const int64_t most = window.value_or(kNoWindow);
  at::Tensor& mask_TL = branch_masks_[{tree.prefix, tree.branches, most, dtype}];
  if (mask_TL.defined()) return mask_TL;
  const at::Tensor limits_T4 =
      seen_N4(most).narrow(0, tree.first_token + tree.prefix, tree.tokens - tree.prefix);
  const at::Tensor key_1L =
      at::arange(tree.tokens, at::TensorOptions().dtype(at::kInt).device(device_)).unsqueeze(0);
  const auto within = [&](int64_t begin) {
    return key_1L.ge(limits_T4.narrow(1, begin, 1))
        .logical_and_(key_1L.lt(limits_T4.narrow(1, begin + 1, 1)));
  };
  return mask_TL = added_mask(within(0).logical_or_(within(2)), dtype);
}

}  // namespace mop
