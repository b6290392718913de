// eval/packed_groups.h -- documents packed into groups whose hidden states fit a bound.
//
// Shape letters: N tokens of all sequences laid end to end.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"

namespace mop {

struct PackedGroup {
  Packing packing;
  at::Tensor ids_N;      ///< int64, CPU
  at::Tensor targets_N;  ///< each token's successor in its own sequence, -1 for the last one
};

/// Whole sequences in order, in groups of at most `max_tokens` (a longer sequence is a group
/// alone).
std::vector<PackedGroup> pack_groups(std::span<const std::vector<int64_t>> sequences,
                                     int64_t max_tokens);

/// Most tokens whose hidden states a group may hold: 256 MiB on the CPU, 2 GiB on a GPU, 64 Ki
/// tokens.
int64_t group_tokens(const ModelConfig& config, const Compute& compute);

}  // namespace mop
