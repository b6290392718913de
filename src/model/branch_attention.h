// model/branch_attention.h -- attention of sequences that share a prefix: the prefix is computed
// once; each branch sees the prefix and itself, but no other branch.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/attention.h"

namespace mop {

/// `attend` on the CPU for a packing with branches and without a cache.
at::Tensor attend_branches(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                           const at::Tensor& value_NKE, const AttentionCall& call);

}  // namespace mop
