#include "eval/packed_groups.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tensor/dtype.h"

namespace mop {
namespace {

PackedGroup pack(std::span<const std::vector<int64_t>> sequences) {
  std::vector<int64_t> ids, targets;
  PackedGroup group;
  for (const auto& sequence : sequences) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    targets.insert(targets.end(), sequence.begin() + 1, sequence.end());
    targets.push_back(-1);
    group.packing.lengths.push_back(static_cast<int64_t>(sequence.size()));
  }
  group.ids_N = at::tensor(ids, at::kLong);
  group.targets_N = at::tensor(targets, at::kLong);
  return group;
}

}  // namespace

std::vector<PackedGroup> pack_groups(std::span<const std::vector<int64_t>> sequences,
                                     int64_t max_tokens) {
  std::vector<PackedGroup> groups;
  size_t first = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto length = static_cast<int64_t>(sequences[i].size());
    if (i > first && tokens + length > max_tokens) {
      groups.push_back(pack(sequences.subspan(first, i - first)));
      first = i;
      tokens = 0;
    }
    tokens += length;
  }
  if (first < sequences.size()) groups.push_back(pack(sequences.subspan(first)));
  return groups;
}

int64_t group_tokens(const ModelConfig& config, const Compute& compute) {
  const int64_t bytes = compute.device.is_cpu() ? int64_t{256} << 20 : int64_t{2} << 30;
  const int64_t row = config.hidden * static_cast<int64_t>(dtype_bytes(compute.dtype));
  return std::clamp<int64_t>(bytes / row, 4096, 65536);
}

}  // namespace mop
