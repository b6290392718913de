// criteria/columns.h -- column norms and input statistics of o_proj and down_proj, used by several
// criteria.
//
// Shape letters: D hidden, K inputs of a projection, G KV groups.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "criteria/criterion.h"

namespace mop {

/// Returns the norm of each column of a projection [D, K]: [K] float64 on the CPU. p = 1: sum of
/// |w|; p = 2: Euclidean norm.
at::Tensor column_norms(const at::Tensor& weight_DK, double p);

/// Returns the root mean square over tokens of each input, [K], of down_proj (kMlp) or o_proj.
at::Tensor input_rms(const ScoreInput& in, Half half);

/// [K] -> [G, channels of a group]: the channels of the query heads that share a KV head.
at::Tensor by_group(const at::Tensor& channels_K, const LayerShape& shape);

}  // namespace mop
