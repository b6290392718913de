// stats/abs_sums.h -- sums of absolute values. Shape letters: N tokens of all sequences,
// concatenated; S sequences, X any units.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/forward.h"

namespace mop {

/// Returns, per sequence, the sum over its tokens of |value_NX|: [S, X] float64. Any dtype, CPU;
/// one row per token of `piece`. Sequences are summed separately, so that packing does not change
/// the result.
at::Tensor sequence_abs_sums(const at::Tensor& value_NX, const Packing& piece);

/// The same without absolute values, for few columns: values_NX is float32 on the CPU.
at::Tensor sequence_sums(const at::Tensor& values_NX, const Packing& piece);

/// Consecutive sequences of equal length.
struct EqualLengths {
  int64_t first_token = 0, sequences = 0, length = 0;
  int64_t tokens() const { return sequences * length; }
};
std::vector<EqualLengths> equal_lengths(const Packing& piece);

/// Adds to `sums_X` (float64), over sequences, the mean over their tokens of |value_NX|. Computed
/// on the tensors' device without synchronising, with a few calls per run of equal lengths. The sum
/// within a sequence is float32.
void add_abs_means(const at::Tensor& value_NX, const Packing& piece, const at::Tensor& sums_X);
/// The same for non-negative float32 values with tokens last.
void add_means(const at::Tensor& values_XN, const Packing& piece, const at::Tensor& sums_X);

/// Writes the L1 norm of each row of `rows_NX` (float32 or bfloat16, CPU, rows contiguous), summed
/// in float32, into column `column` of `out_NU` (float32).
void row_l1_into(const at::Tensor& rows_NX, const at::Tensor& out_NU, int64_t column);

}  // namespace mop
