// criteria/columns.h -- what several criteria ask of o_proj and down_proj and of what enters them.
//
// Shape letters: D hidden, K inputs of a projection, G KV groups.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "criteria/criterion.h"

namespace mop {

/// Norm of every column of a projection [D, K], [K] float64 on the CPU: p = 1 sums |w|, p = 2 is
/// the Euclidean length.
at::Tensor column_norms(const at::Tensor& weight_DK, double p);

/// Root of the mean square of every input over the tokens, [K]; of down_proj (kMlp) or o_proj.
at::Tensor input_rms(const ScoreInput& in, Half half);

/// [K] -> [G, channels of a group]: those of the query heads that share a KV head.
at::Tensor by_group(const at::Tensor& channels_K, const LayerShape& shape);

}  // namespace mop
