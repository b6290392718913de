// tensor/row_product.cc
#include "tensor/row_product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstring>

#include "base/error.h"
#include "tensor/clones.h"

namespace mop {
namespace {

// A weight as float. bfloat16 is the upper half of a float32.
inline float widen(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}
inline float widen(float value) { return value; }

// Four weight rows at a time keep enough loads in flight to fill the memory's bandwidth.
template <typename Weight>
inline __attribute__((always_inline)) void dot_rows(const Weight* weight, const float* x, float* y,
                                                    int64_t rows, int64_t width) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const Weight* w0 = weight + row * width;
    const Weight *w1 = w0 + width, *w2 = w1 + width, *w3 = w2 + width;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int64_t k = 0; k < width; ++k) {
      const float v = x[k];
      s0 += widen(w0[k]) * v;
      s1 += widen(w1[k]) * v;
      s2 += widen(w2[k]) * v;
      s3 += widen(w3[k]) * v;
    }
    y[row] = s0, y[row + 1] = s1, y[row + 2] = s2, y[row + 3] = s3;
  }
  for (; row < rows; ++row) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < width; ++k) sum += widen(weight[row * width + k]) * x[k];
    y[row] = sum;
  }
}

MOP_CLONES void dot_rows_bf16(const uint16_t* w, const float* x, float* y, int64_t rows,
                              int64_t width) {
  dot_rows(w, x, y, rows, width);
}
MOP_CLONES void dot_rows_f32(const float* w, const float* x, float* y, int64_t rows,
                             int64_t width) {
  dot_rows(w, x, y, rows, width);
}

// Weight rows per task: a multiple of four, so that a row's sum is made the same way whatever the
// split.
constexpr int64_t kRowsPerTask = 64;

}  // namespace

bool row_product_fits(const at::Tensor& x_NK, const at::Tensor& weight_OK) {
  const auto known = [](const at::Tensor& t) {
    return t.device().is_cpu() && t.dim() == 2 &&
           (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
  };
  return known(x_NK) && known(weight_OK) && x_NK.size(0) <= 4 && weight_OK.is_contiguous() &&
         x_NK.scalar_type() == weight_OK.scalar_type() &&
         !(at::GradMode::is_enabled() && (x_NK.requires_grad() || weight_OK.requires_grad()));
}

at::Tensor row_product(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                       const at::Tensor& bias_O) {
  const int64_t width = weight_OK.size(1), outputs = weight_OK.size(0), rows = x_NK.size(0);
  if (x_NK.size(1) != width) {
    throw internal_error("row_product: x is {} wide, the weight {}", x_NK.size(1), width);
  }
  const at::Tensor wide_NK = x_NK.to(at::kFloat).contiguous();
  at::Tensor result_NO = at::empty({rows, outputs}, at::kFloat);
  const float* x = wide_NK.const_data_ptr<float>();
  float* y = result_NO.data_ptr<float>();
  const bool half = weight_OK.scalar_type() == at::kBFloat16;
  const void* weight = weight_OK.const_data_ptr();

  const int64_t tasks = (outputs + kRowsPerTask - 1) / kRowsPerTask;
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task * kRowsPerTask;
      const int64_t count = std::min(kRowsPerTask, outputs - first);
      for (int64_t row = 0; row < rows;
           ++row) {  // the task's weights stay in cache from the second on
        const float* from = x + row * width;
        float* to = y + row * outputs + first;
        if (half) {
          dot_rows_bf16(static_cast<const uint16_t*>(weight) + first * width, from, to, count,
                        width);
        } else {
          dot_rows_f32(static_cast<const float*>(weight) + first * width, from, to, count, width);
        }
      }
    }
  });
  if (bias_O.defined()) result_NO.add_(bias_O);
  return result_NO.to(x_NK.scalar_type());
}

}  // namespace mop
