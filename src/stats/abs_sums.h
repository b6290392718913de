// stats/abs_sums.h -- sums of absolute values. Shape letters: N tokens of all sequences laid end to
// end, S sequences, X anything.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/forward.h"

namespace mop {

/// Sums over each sequence's tokens of |value_NX|: [S, X] float64, CPU. Any dtype and device;
/// `value_NX` has a row per token of `piece`. Each sequence is added up on its own, so that packing
/// changes nothing.
at::Tensor sequence_abs_sums(const at::Tensor& value_NX, const Packing& piece);

/// The same without absolute values, for few columns: values_NX is float32 on the CPU.
at::Tensor sequence_sums(const at::Tensor& values_NX, const Packing& piece);

/// L1 norm of each row of `rows_NX` (float32 or bfloat16, CPU, rows contiguous), summed in float32,
/// into column `column` of `out_NU` (float32).
void row_l1_into(const at::Tensor& rows_NX, const at::Tensor& out_NU, int64_t column);

}  // namespace mop
