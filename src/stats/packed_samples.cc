// stats/packed_samples.cc
#include "stats/packed_samples.h"

#include <ATen/ops/tensor.h>

#include <algorithm>

namespace mop {

PackedSamples pack(const TokenSamples& samples, bool by_length) {
  std::vector<const std::vector<int64_t>*> order;
  for (const auto& ids : samples.ids) order.push_back(&ids);
  if (by_length) {
    std::stable_sort(order.begin(), order.end(),
                     [](const auto* a, const auto* b) { return a->size() > b->size(); });
  }
  PackedSamples packed;
  std::vector<int64_t> ids_N;
  ids_N.reserve(static_cast<size_t>(samples.tokens()));
  for (const auto* ids : order) {
    packed.packing.lengths.push_back(static_cast<int64_t>(ids->size()));
    ids_N.insert(ids_N.end(), ids->begin(), ids->end());
  }
  packed.ids_N = at::tensor(ids_N, at::kLong);
  return packed;
}

std::vector<int64_t> first_tokens(const Packing& packing) {
  std::vector<int64_t> first = {0};
  for (const int64_t length : packing.lengths) first.push_back(first.back() + length);
  return first;
}

}  // namespace mop
