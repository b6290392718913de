// model/bfloat16_kernels.h -- the kernels of kernels.h in bfloat16, for processors that compute
// with it: call them where bfloat16::available(). uint16_t stands for bfloat16.
#pragma once
#include <cstdint>

namespace mop::bfloat16 {

void norm_rows(const uint16_t* x, const uint16_t* weight, uint16_t* out, int64_t rows,
               int64_t columns, float eps);
void rope_rows(uint16_t* x, const uint16_t* cos, const uint16_t* sin, int64_t rows, int64_t heads,
               int64_t size);
void silu_mul_some(uint16_t* gate, const uint16_t* up, int64_t count);

}  // namespace mop::bfloat16
