// gradient/embedding_gradient.cc
#include "gradient/embedding_gradient.h"

#include <ATen/ATen.h>

#include "tensor/upload.h"

namespace mop {

void add_rows_of_ids(at::Tensor sum_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND) {
  if (sum_VD.is_cpu()) {
    sum_VD.index_add_(0, ids_N, rows_ND);
  } else {
    add_sorted_rows_of_ids(std::move(sum_VD), ids_N, rows_ND);
  }
}

// The ids are on the CPU, so they are sorted there; one upload transfers all index data.
void add_sorted_rows_of_ids(at::Tensor sum_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND) {
  const int64_t tokens = ids_N.size(0);
  if (tokens == 0) return;
  const auto [sorted_N, order_N] = at::sort(ids_N, /*stable=*/true, /*dim=*/0, false);
  const auto [unique_U, inverse, counts_U] =
      at::unique_consecutive(sorted_N, /*return_inverse=*/false, /*return_counts=*/true);
  const int64_t unique = unique_U.size(0);
  const std::vector<at::Tensor> parts =
      upload(at::cat({order_N, unique_U, counts_U}), sum_VD.device())
          .split_with_sizes({tokens, unique, unique});
  // Each GPU thread sums one column of a segment, row by row. `unsafe` skips checks of the counts
  // that would synchronise with the device.
  const at::Tensor sums_UD =
      at::segment_reduce(rows_ND.index_select(0, parts[0]), "sum", parts[2],
                         /*indices=*/std::nullopt, /*offsets=*/std::nullopt, /*axis=*/0,
                         /*unsafe=*/true);
  sum_VD.index_add_(0, parts[1], sums_UD);  // each id occurs once
}

}  // namespace mop
