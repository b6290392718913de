// model/bfloat16_kernels.h -- bfloat16 versions of the kernels of kernels.h, for processors with
// bfloat16 instructions. Call them only if bfloat16::available(). uint16_t holds a bfloat16.
#pragma once
#include <cstdint>

namespace mop::bfloat16 {

void norm_rows(const uint16_t* x, const uint16_t* weight, uint16_t* out, int64_t rows,
               int64_t columns, float eps);
void rope_rows(uint16_t* x, const uint16_t* cos, const uint16_t* sin, int64_t rows, int64_t heads,
               int64_t size);
void silu_mul_range(uint16_t* gate, const uint16_t* up, int64_t count);

}  // namespace mop::bfloat16
