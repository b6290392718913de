// stats/packed_samples.cc
#include "stats/packed_samples.h"

#include <ATen/ATen.h>

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

NextTokens::NextTokens(const PackedSamples& packed, int64_t vocab)
    : ids_N(packed.ids_N.roll(-1)), weights_N(ids_N.lt(vocab).to(at::kFloat)) {
  int64_t end = 0;
  for (const int64_t length : packed.packing.lengths) weights_N[(end += length) - 1] = 0;
  ids_N.clamp_max_(vocab - 1);
}

std::vector<int64_t> first_tokens(const Packing& packing) {
  std::vector<int64_t> first = {0};
  for (const int64_t length : packing.lengths) first.push_back(first.back() + length);
  return first;
}

}  // namespace mop
