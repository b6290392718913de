// model/kernels.cc
#include "model/kernels.h"

#include <ATen/ATen.h>

#include <cmath>

#include "model/bfloat16_kernels.h"
#include "model/kernel_parts.h"
#include "tensor/bfloat16_lanes.h"
#include "tensor/clones.h"
#include "tensor/cuda_kernels.h"

namespace mop {

at::Tensor rms_norm(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps) {
  const at::Tensor wide_RC = x_RC.to(at::kFloat);
  const at::Tensor scale_R1 = at::rsqrt(wide_RC.square().mean(-1, /*keepdim=*/true) + eps);
  return weight_C * (wide_RC * scale_R1).to(x_RC.scalar_type());
}

at::Tensor rope(const at::Tensor& x_NHE, const at::Tensor& cos_NE, const at::Tensor& sin_NE) {
  const std::vector<at::Tensor> halves = x_NHE.chunk(2, -1);
  const at::Tensor turned_NHE = at::cat({-halves[1], halves[0]}, -1);
  return x_NHE * cos_NE.unsqueeze(1) + turned_NHE * sin_NE.unsqueeze(1);
}

at::Tensor silu_mul(const at::Tensor& gate_NI, const at::Tensor& up_NI) {
  return at::silu(gate_NI) * up_NI;
}

namespace {

template <typename T>
MOP_INLINE void norm_row(const T* x, const T* weight, T* out, int64_t columns, float eps) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < columns; ++i) sum += to_float(x[i]) * to_float(x[i]);
  const float scale = 1.f / std::sqrt(sum / static_cast<float>(columns) + eps);
#pragma omp simd
  for (int64_t i = 0; i < columns; ++i) {
    out[i] = from_float<T>(to_float(weight[i]) * to_float(from_float<T>(to_float(x[i]) * scale)));
  }
}

// cos and sin of the first half apply to both coordinates of a pair.
template <typename T>
MOP_INLINE void rope_head(T* x, const T* cos, const T* sin, int64_t half) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float a = to_float(x[i]), b = to_float(x[i + half]);
    x[i] = from_float<T>(a * to_float(cos[i]) - b * to_float(sin[i]));
    x[i + half] = from_float<T>(b * to_float(cos[i]) + a * to_float(sin[i]));
  }
}

template <typename T>
MOP_INLINE void silu_mul_run(T* gate, const T* up, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = to_float(gate[i]);
    gate[i] = from_float<T>(g / (1.f + exponential<T>(-g)) * to_float(up[i]));
  }
}

template <typename T>
MOP_INLINE void norm_run(const T* x, const T* weight, T* out, int64_t rows, int64_t columns,
                         float eps) {
  for (int64_t r = 0; r < rows; ++r)
    norm_row(x + r * columns, weight, out + r * columns, columns, eps);
}

template <typename T>
MOP_INLINE void rope_run(T* x, const T* cos, const T* sin, int64_t rows, int64_t heads,
                         int64_t size) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      rope_head(x + (r * heads + h) * size, cos + r * size, sin + r * size, size / 2);
    }
  }
}

// Each kernel for both dtypes (uint16_t holds a bfloat16), compiled for several instruction sets.
MOP_CLONES void norm_rows(const float* x, const float* weight, float* out, int64_t rows,
                          int64_t columns, float eps) {
  norm_run(x, weight, out, rows, columns, eps);
}
MOP_CLONES void norm_portable(const uint16_t* x, const uint16_t* weight, uint16_t* out,
                              int64_t rows, int64_t columns, float eps) {
  norm_run(x, weight, out, rows, columns, eps);
}
MOP_CLONES void rope_rows(float* x, const float* cos, const float* sin, int64_t rows, int64_t heads,
                          int64_t size) {
  rope_run(x, cos, sin, rows, heads, size);
}
MOP_CLONES void rope_portable(uint16_t* x, const uint16_t* cos, const uint16_t* sin, int64_t rows,
                              int64_t heads, int64_t size) {
  rope_run(x, cos, sin, rows, heads, size);
}
MOP_CLONES void silu_mul_range(float* gate, const float* up, int64_t count) {
  silu_mul_run(gate, up, count);
}
MOP_CLONES void silu_mul_portable(uint16_t* gate, const uint16_t* up, int64_t count) {
  silu_mul_run(gate, up, count);
}

void norm_rows(const uint16_t* x, const uint16_t* weight, uint16_t* out, int64_t rows,
               int64_t columns, float eps) {
  const auto norm = bfloat16::available() ? bfloat16::norm_rows : norm_portable;
  norm(x, weight, out, rows, columns, eps);
}
void rope_rows(uint16_t* x, const uint16_t* cos, const uint16_t* sin, int64_t rows, int64_t heads,
               int64_t size) {
  const auto rope = bfloat16::available() ? bfloat16::rope_rows : rope_portable;
  rope(x, cos, sin, rows, heads, size);
}
void silu_mul_range(uint16_t* gate, const uint16_t* up, int64_t count) {
  const auto silu_mul = bfloat16::available() ? bfloat16::silu_mul_range : silu_mul_portable;
  silu_mul(gate, up, count);
}

}  // namespace

void rms_norm_out(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps,
                  at::Tensor out_RC) {
  if (!fused({&x_RC, &weight_C, &out_RC})) {
    if (!cuda::rms_norm(x_RC, weight_C, eps, out_RC)) out_RC.copy_(rms_norm(x_RC, weight_C, eps));
    return;
  }
  const int64_t columns = x_RC.size(-1), rows = x_RC.numel() / columns;
  with_type(x_RC, [&](auto type) {
    using T = decltype(type);
    over_rows(rows, columns, [&](int64_t first, int64_t count) {
      const int64_t offset = first * columns;
      norm_rows(raw<T>(x_RC) + offset, raw<T>(weight_C), raw<T>(out_RC) + offset, count, columns,
                static_cast<float>(eps));
    });
  });
}

void rope_(at::Tensor x_NHE, const at::Tensor& cos_NE, const at::Tensor& sin_NE) {
  if (!fused({&x_NHE, &cos_NE, &sin_NE})) {
    if (!cuda::rope(x_NHE, {}, cos_NE, sin_NE)) x_NHE.copy_(rope(x_NHE, cos_NE, sin_NE));
    return;
  }
  with_type(x_NHE, [&](auto type) {
    using T = decltype(type);
    const int64_t heads = x_NHE.size(1), size = x_NHE.size(2);
    over_rows(x_NHE.size(0), heads * size, [&](int64_t first, int64_t count) {
      rope_rows(raw<T>(x_NHE) + first * heads * size, raw<T>(cos_NE) + first * size,
                raw<T>(sin_NE) + first * size, count, heads, size);
    });
  });
}

void rope_(at::Tensor x_NHE, at::Tensor also_NKE, const at::Tensor& cos_NE,
           const at::Tensor& sin_NE) {
  if (cuda::rope(x_NHE, also_NKE, cos_NE, sin_NE)) return;
  rope_(std::move(x_NHE), cos_NE, sin_NE);
  rope_(std::move(also_NKE), cos_NE, sin_NE);
}

void silu_mul_(at::Tensor gate_NI, const at::Tensor& up_NI) {
  if (!fused({&gate_NI, &up_NI})) {
    if (!cuda::silu_mul(gate_NI, up_NI)) at::silu_(gate_NI).mul_(up_NI);
    return;
  }
  with_type(gate_NI, [&](auto type) {
    using T = decltype(type);
    over_rows(gate_NI.numel(), 1, [&](int64_t first, int64_t count) {
      silu_mul_range(raw<T>(gate_NI) + first, raw<T>(up_NI) + first, count);
    });
  });
}

}  // namespace mop
