// gradient/embedding_gradient.h -- the gradient of an embedding: each token adds a row to its id's.
//
// Shape letters: N tokens, V vocabulary, D hidden.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// sum_VD[ids_N[n]] += rows_ND[n] for every n, always in the same order. sum_VD and rows_ND are
/// float32 on one device, ids_N is int64 on the CPU.
void add_rows_of_ids(at::Tensor sum_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND);

/// The way a device does it, where index_add_ adds up in any order: rows of one id are brought
/// together and summed, then each id gets one row.
void add_sorted_rows_of_ids(at::Tensor sum_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND);

}  // namespace mop
