// stats/amx_head_l1.h -- the partial products of heads in tile registers (Intel AMX, bfloat16).
#pragma once
#include <cstdint>

namespace mop {

/// What the kernel reads and writes. Shape letters: N tokens, D hidden, H heads, E head size, Q =
/// H*E.
struct HeadL1Call {
  const uint16_t* heads_NQ = nullptr;           ///< bfloat16
  const uint16_t* output_DQ = nullptr;          ///< bfloat16
  int64_t heads_stride = 0, output_stride = 0;  ///< elements from row to row
  int64_t tokens = 0, hidden = 0, heads = 0, head_dim = 0;
  float* l1_NH = nullptr;
};

/// Whether this processor and system let us use tiles, and head_dim fits them (a multiple of 32).
bool amx_head_l1_fits(int64_t head_dim);

/// ||W_o[:, head] x_head||_1 of every token and head, in float32 throughout. Products never leave
/// the first cache: every 32x32 of them is reduced before the next.
void amx_head_l1(const HeadL1Call& call);

}  // namespace mop
