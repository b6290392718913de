// eval/packed_groups.h -- packs documents into groups whose hidden states fit a memory limit.
//
// Shape letters: N tokens of all sequences, concatenated.
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
  at::Tensor targets_N;  ///< next token in the same sequence, -1 for the last
};

/// Groups whole sequences, in order, into at most `max_tokens` tokens (a longer sequence is a group
/// of its own).
std::vector<PackedGroup> pack_groups(std::span<const std::vector<int64_t>> sequences,
                                     int64_t max_tokens);

/// Returns the maximum tokens per group: hidden states of 256 MiB on the CPU, 2 GiB on a GPU, and
/// at most 64 Ki tokens.
int64_t group_tokens(const ModelConfig& config, const Compute& compute);

}  // namespace mop
