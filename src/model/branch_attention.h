// model/branch_attention.h -- attention of sequences that share their beginning: the beginning is
// computed once, and each branch sees it and itself, but no other branch.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/attention.h"

namespace mop {

/// As `attend`, on the CPU, for a packing with branches and without a cache.
at::Tensor attend_branches(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                           const at::Tensor& value_NKE, const AttentionCall& call);

}  // namespace mop
