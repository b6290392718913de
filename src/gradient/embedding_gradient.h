// gradient/embedding_gradient.h -- gradient of an embedding: each token adds a row to that of its
// id.
//
// Shape letters: N tokens, V vocabulary, D hidden.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// sum_VD[ids_N[n]] += rows_ND[n] for every n, in a fixed order. sum_VD and rows_ND are float32 on
/// one device, ids_N is int64 on the CPU.
void add_rows_of_ids(at::Tensor sum_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND);

/// The same for a device, where index_add_ is not deterministic: sorts rows by id and sums them,
/// then adds one row per id.
void add_sorted_rows_of_ids(at::Tensor sum_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND);

}  // namespace mop
