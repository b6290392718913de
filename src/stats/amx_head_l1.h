// stats/amx_head_l1.h -- L1 norms of head outputs with matrix units (Intel AMX, bfloat16).
#pragma once
#include <cstdint>

namespace mop {

/// Operands of the kernel. Shape letters: N tokens, D hidden, H heads, E head size, Q = H*E.
struct HeadL1Call {
  const uint16_t* heads_NQ = nullptr;           ///< bfloat16
  const uint16_t* output_DQ = nullptr;          ///< bfloat16
  int64_t heads_stride = 0, output_stride = 0;  ///< elements from row to row
  int64_t tokens = 0, hidden = 0, heads = 0, head_dim = 0;
  float* l1_NH = nullptr;
};

/// Whether processor and operating system support AMX and head_dim is a multiple of 32.
bool amx_head_l1_fits(int64_t head_dim);

/// Computes ||W_o[:, head] x_head||_1 for every token and head, in float32. Products stay in the L1
/// cache: each 32x32 block is reduced before the next one.
void amx_head_l1(const HeadL1Call& call);

}  // namespace mop
