// tensor/row_product.cc -- reads weights once, row after row in memory order, with software
// prefetch well ahead: hardware prefetch stops at page boundaries.
#include "tensor/row_product.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/BFloat16.h>

#include <algorithm>

#include "base/error.h"
#include "tensor/clones.h"
#include "tensor/cuda_kernels.h"
#include "tensor/lanes.h"
#include "tensor/shared_tasks.h"

namespace mop {
namespace {

constexpr int64_t kLineBytes = 64;
constexpr int64_t kAheadBytes = 8192;
// Weight rows per task. The weights and sums of a task stay in the L2 cache, so that more than
// kMostTogether rows of x read the weights from memory only once.
constexpr int64_t kRowsPerTask = 64;
// Bytes per thread that justify waking it: about 30 microseconds of reading.
constexpr int64_t kBytesPerThread = 1 << 19;
constexpr int64_t kMostTogether = 4;
constexpr int64_t kMostRows = 8;
// From five rows on, a general bfloat16 product is faster, because it uses matrix units.
constexpr int64_t kMostHalfRows = 4;

// Adds to sums[i][n] the next `count` products of weight row i and x row n.
template <int64_t kWeights, int64_t kRows, typename Weight>
MOP_INLINE void add_lanes(const Weight* weight, const float* x, int64_t width, int64_t count,
                          Floats (&sums)[kWeights][kRows]) {
  Floats w[kWeights];
  for (int64_t i = 0; i < kWeights; ++i) load(weight + i * width, count, w[i]);
  for (int64_t n = 0; n < kRows; ++n) {
    Floats v;
    load(x + n * width, count, v);
    for (int64_t i = 0; i < kWeights; ++i) sums[i][n] += w[i] * v;
  }
}

// Multiplies kWeights weight rows by kRows rows of x: y[n * kRowsPerTask + i].
template <int64_t kWeights, int64_t kRows, typename Weight>
MOP_INLINE void dot_block(const Weight* weight, const float* x, float* y, int64_t width) {
  constexpr int64_t kStep = std::max<int64_t>(kLanes, kLineBytes / sizeof(Weight));
  constexpr int64_t kAhead = kAheadBytes / sizeof(Weight);
  // Prefetch distance: a fixed distance for a single row, the next rows when there are several.
  const int64_t ahead = kWeights == 1 ? kAhead : kWeights * width;
  Floats sums[kWeights][kRows] = {};
  int64_t k = 0;
  for (; k + kStep <= width; k += kStep) {
    for (int64_t i = 0; i < kWeights; ++i) {
      __builtin_prefetch(weight + i * width + k + ahead, 0, 2);
    }
    for (int64_t part = k; part < k + kStep; part += kLanes) {
      add_lanes(weight + part, x + part, width, kLanes, sums);
    }
  }
  for (; k + kLanes <= width; k += kLanes) add_lanes(weight + k, x + k, width, kLanes, sums);
  if (k < width) add_lanes(weight + k, x + k, width, width - k, sums);
  for (int64_t i = 0; i < kWeights; ++i) {
    for (int64_t n = 0; n < kRows; ++n) y[n * kRowsPerTask + i] = sum_of(sums[i][n]);
  }
}

// With one row of x, memory bandwidth is the limit; with more, each loaded value of x must be used
// for several weights.
template <int64_t kRows, typename Weight>
MOP_INLINE void dot_rows(const Weight* weight, const float* x, float* y, int64_t outputs,
                         int64_t width) {
  int64_t o = 0;
  if constexpr (kRows > 1) {
    for (; o + 4 <= outputs; o += 4) dot_block<4, kRows>(weight + o * width, x, y + o, width);
  }
  for (; o < outputs; ++o) dot_block<1, kRows>(weight + o * width, x, y + o, width);
}

template <typename Weight>
MOP_INLINE void dot_any(const Weight* weight, const float* x, float* y, int64_t rows,
                        int64_t outputs, int64_t width) {
  for (; rows >= kMostTogether; rows -= kMostTogether) {
    dot_rows<kMostTogether>(weight, x, y, outputs, width);
    x += kMostTogether * width, y += kMostTogether * kRowsPerTask;
  }
  if (rows == 3) dot_rows<3>(weight, x, y, outputs, width);
  if (rows == 2) dot_rows<2>(weight, x, y, outputs, width);
  if (rows == 1) dot_rows<1>(weight, x, y, outputs, width);
}

MOP_CLONES void dot(const uint16_t* weight, const float* x, float* y, int64_t rows, int64_t outputs,
                    int64_t width) {
  dot_any(weight, x, y, rows, outputs, width);
}
MOP_CLONES void dot(const float* weight, const float* x, float* y, int64_t rows, int64_t outputs,
                    int64_t width) {
  dot_any(weight, x, y, rows, outputs, width);
}

/// One factor of a call: its first task, inputs and output.
struct Part {
  int64_t first_task = 0, outputs = 0;
  const void* weight = nullptr;
  const void* bias = nullptr;
  void* result = nullptr;
};

// Adds the bias, rounds, and writes the rows of `sums` to columns [first, first + count) of the
// result.
template <typename Stored>
void finish(const Part& part, const float* sums, int64_t rows, int64_t first, int64_t count) {
  const auto* bias = static_cast<const Stored*>(part.bias);
  auto* result = static_cast<Stored*>(part.result);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t i = 0; i < count; ++i) {
      const float sum = sums[n * kRowsPerTask + i];
      result[n * part.outputs + first + i] =
          static_cast<Stored>(bias == nullptr ? sum : sum + static_cast<float>(bias[first + i]));
    }
  }
}

template <typename Stored, typename Bits>
void run_task(const Part& part, int64_t task, const float* x, int64_t rows, int64_t width) {
  float sums[kMostRows * kRowsPerTask];
  const int64_t first = (task - part.first_task) * kRowsPerTask;
  const int64_t count = std::min(kRowsPerTask, part.outputs - first);
  dot(static_cast<const Bits*>(part.weight) + first * width, x, sums, rows, count, width);
  finish<Stored>(part, sums, rows, first, count);
}

void check(const at::Tensor& x_NK, const RowFactor& factor) {
  if (!row_product_fits(x_NK, factor.weight_OK)) {
    throw internal_error("row_product: operands that do not fit");
  }
  if (x_NK.size(1) == factor.weight_OK.size(1)) return;
  throw internal_error("row_product: x is {} wide, the weight {}", x_NK.size(1),
                       factor.weight_OK.size(1));
}

// On a GPU: several factors per launch; general products if the kernels fail.
std::vector<at::Tensor> products_on_gpu(const at::Tensor& x_NK,
                                        std::span<const RowFactor> factors) {
  constexpr size_t kMostFactors = 3;
  std::vector<at::Tensor> results;
  for (size_t first = 0; first < factors.size(); first += kMostFactors) {
    std::vector<cuda::RowWork> works;
    for (const RowFactor& factor :
         factors.subspan(first).first(std::min(kMostFactors, factors.size() - first))) {
      const at::Tensor bias_O =
          factor.bias_O.defined() ? factor.bias_O.to(x_NK.options()).contiguous() : at::Tensor();
      works.push_back({factor.weight_OK,
                       bias_O,
                       {},
                       at::empty({x_NK.size(0), factor.weight_OK.size(0)}, x_NK.options())});
    }
    const bool done = cuda::row_products(x_NK, works);
    for (const cuda::RowWork& work : works) {
      results.push_back(
          done ? work.out_NO
               : at::linear(x_NK, work.weight_OK,
                            work.bias_O.defined() ? std::optional(work.bias_O) : std::nullopt));
    }
  }
  return results;
}

}  // namespace

bool row_product_fits(const at::Tensor& x_NK, const at::Tensor& weight_OK) {
  const bool gradient =
      at::GradMode::is_enabled() && (x_NK.requires_grad() || weight_OK.requires_grad());
  if (x_NK.is_cuda()) return !gradient && cuda::rows_fit(x_NK, weight_OK);
  const auto known = [](const at::Tensor& t) {
    return t.device().is_cpu() && t.dim() == 2 &&
           (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
  };
  const int64_t most = weight_OK.scalar_type() == at::kFloat ? kMostRows : kMostHalfRows;
  return known(x_NK) && known(weight_OK) && x_NK.size(0) <= most && weight_OK.is_contiguous() &&
         x_NK.scalar_type() == weight_OK.scalar_type() && !gradient;
}

at::Tensor row_product(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                       const at::Tensor& bias_O) {
  const RowFactor factor{weight_OK, bias_O};
  return row_products(x_NK, {&factor, 1}).front();
}

std::vector<at::Tensor> row_products(const at::Tensor& x_NK, std::span<const RowFactor> factors) {
  if (x_NK.is_cuda()) return products_on_gpu(x_NK, factors);
  const int64_t rows = x_NK.size(0), width = x_NK.size(1);
  std::vector<at::Tensor> results, biases;  // biases stay alive until the work is done
  std::vector<Part> parts;
  int64_t tasks = 0, bytes = 0;
  for (const RowFactor& factor : factors) {
    check(x_NK, factor);
    const int64_t outputs = factor.weight_OK.size(0);
    results.push_back(at::empty({rows, outputs}, x_NK.options()));
    biases.push_back(factor.bias_O.defined() ? factor.bias_O.to(x_NK.scalar_type()).contiguous()
                                             : at::Tensor());
    parts.push_back({tasks, outputs, factor.weight_OK.const_data_ptr(),
                     biases.back().defined() ? biases.back().const_data_ptr() : nullptr,
                     results.back().mutable_data_ptr()});
    tasks += (outputs + kRowsPerTask - 1) / kRowsPerTask;
    bytes += static_cast<int64_t>(factor.weight_OK.nbytes());
  }
  const at::Tensor wide_NK = x_NK.to(at::kFloat).contiguous();
  const float* x = wide_NK.const_data_ptr<float>();
  const bool half = x_NK.scalar_type() == at::kBFloat16;
  const auto run = [&](int64_t task) {
    size_t part = parts.size() - 1;
    while (parts[part].first_task > task) --part;
    if (half) {
      run_task<c10::BFloat16, uint16_t>(parts[part], task, x, rows, width);
    } else {
      run_task<float, float>(parts[part], task, x, rows, width);
    }
  };
  shared_tasks(tasks, run, std::max<int64_t>(1, bytes * rows / kBytesPerThread));
  return results;
}

}  // namespace mop
