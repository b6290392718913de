// stats/abs_sums.h -- sums of absolute values. Shape letters: N tokens of all sequences laid end to
// end, S sequences, X anything.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/forward.h"

namespace mop {

/// Sums over each sequence's tokens of |value_NX|: [S, X] float64. Any dtype, CPU; `value_NX` has a
/// row per token of `piece`. Each sequence is added up on its own, so that packing changes nothing.
at::Tensor sequence_abs_sums(const at::Tensor& value_NX, const Packing& piece);

/// The same without absolute values, for few columns: values_NX is float32 on the CPU.
at::Tensor sequence_sums(const at::Tensor& values_NX, const Packing& piece);

/// Neighbouring sequences of one length.
struct EqualLengths {
  int64_t first_token = 0, sequences = 0, length = 0;
  int64_t tokens() const { return sequences * length; }
};
std::vector<EqualLengths> equal_lengths(const Packing& piece);

/// Adds to `sums_X` (float64) the sum over sequences of the mean over their tokens of |value_NX|,
/// where the tensors are and without waiting for a device: a few calls for each run of equal
/// lengths. A sequence's own sum runs in float32.
void add_abs_means(const at::Tensor& value_NX, const Packing& piece, const at::Tensor& sums_X);
/// The same for values that are not negative, tokens last, of float32.
void add_means(const at::Tensor& values_XN, const Packing& piece, const at::Tensor& sums_X);

/// L1 norm of each row of `rows_NX` (float32 or bfloat16, CPU, rows contiguous), summed in float32,
/// into column `column` of `out_NU` (float32).
void row_l1_into(const at::Tensor& rows_NX, const at::Tensor& out_NU, int64_t column);

}  // namespace mop
