// tensor/cuda_kernels.cc
#include "tensor/cuda_kernels.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/error.h"
#include "tensor/cuda_driver.h"
#include "tensor/cuda_registry.h"

namespace mop::cuda {
namespace {

using Tensors = std::initializer_list<const at::Tensor*>;

// Returns whether all tensors are on one CUDA device, not empty, and of one dtype, float32 or
// bfloat16.
bool alike(Tensors tensors) {
  const at::Tensor& first = **tensors.begin();
  const bool known = first.scalar_type() == at::kFloat || first.scalar_type() == at::kBFloat16;
  return first.is_cuda() && known && std::ranges::all_of(tensors, [&](const at::Tensor* t) {
           return t->defined() && t->scalar_type() == first.scalar_type() &&
                  t->device() == first.device() && t->numel() > 0;
         });
}
bool taken(Tensors tensors) {
  return alike(tensors) && Registry::instance().usable() &&
         std::ranges::all_of(tensors, [](const at::Tensor* t) { return t->is_contiguous(); });
}

// Starts a kernel with the given arguments on the GPU and for the dtype of `like`.
template <typename... Arguments>
bool start(Id id, const at::Tensor& like, const Grid& grid, Arguments... arguments) {
  try {
    std::array<void*, sizeof...(Arguments)> pointers = {&arguments...};
    const bool bfloat16 = like.scalar_type() == at::kBFloat16;
    launch(Registry::instance().find(like.get_device(), bfloat16, id), grid, pointers);
    return true;
  } catch (const Error& e) {
    Registry::instance().give_up(e.what());
    return false;
  }
}

const void* read(const at::Tensor& tensor) { return tensor.const_data_ptr(); }
void* written(const at::Tensor& tensor) { return tensor.mutable_data_ptr(); }

int64_t in_parts(int64_t count, int64_t part) { return (count + part - 1) / part; }

// Elements per 16-byte load, as in the kernels.
int64_t vector_of(const at::Tensor& tensor) {
  return 16 / static_cast<int64_t>(tensor.element_size());
}

constexpr int kThreads = 256;
constexpr int kWarpThreads = 32;

// Assigns rows to blocks or, when rows are short, to warps.
struct RowGrid {
  bool blocks;
  Grid grid;
};
RowGrid row_grid(int64_t rows, int64_t columns) {
  constexpr int64_t kShort = 1024;
  if (columns > kShort) return {true, {rows, 1, kThreads}};
  constexpr int kSomeThreads = 128;
  return {false, {in_parts(rows, kSomeThreads / kWarpThreads), 1, kSomeThreads}};
}

Grid element_grid(const at::Tensor& tensor) {
  return {in_parts(tensor.numel(), kThreads * vector_of(tensor)), 1, kThreads};
}

// Kernel arguments, with the layout of cuda_layer.cu and cuda_rows.cu.
struct Heads {
  void* x;
  int64_t heads, token_stride, head_stride;
};
struct Factor {
  const void *weight, *bias, *residual;
  void* out;
  int64_t outputs;
};
struct Factors {
  Factor factor[3];
};
static_assert(sizeof(Heads) == 32 && sizeof(Factors) == 120 && sizeof(long long) == 8);

bool heads_taken(const at::Tensor& x_NHE, const at::Tensor& like_NHE) {
  return x_NHE.dim() == 3 && x_NHE.stride(2) == 1 && x_NHE.size(0) == like_NHE.size(0) &&
         x_NHE.size(2) == like_NHE.size(2) && x_NHE.size(1) * x_NHE.size(2) < INT32_MAX / 2;
}
Heads heads_of(const at::Tensor& x_NHE) {
  return {written(x_NHE), x_NHE.size(1), x_NHE.stride(0), x_NHE.stride(1)};
}

bool angles_taken(const at::Tensor& cos_NE, const at::Tensor& x_NHE) {
  return cos_NE.dim() == 2 && cos_NE.size(0) == x_NHE.size(0) && cos_NE.size(1) == x_NHE.size(2) &&
         cos_NE.stride(1) == 1;
}

constexpr int kRowThreads = 128;  // as in cuda_rows.cu
constexpr int64_t kMostRows = 4;
constexpr size_t kMostFactors = 3;

bool work_taken(const at::Tensor& x_NK, const RowWork& work) {
  const int64_t outputs = work.weight_OK.size(0);
  const auto optional = [&](const at::Tensor& t, at::IntArrayRef shape) {
    return !t.defined() || (taken({&x_NK, &t}) && t.sizes() == shape);
  };
  return taken({&x_NK, &work.weight_OK}) && work.weight_OK.dim() == 2 &&
         work.weight_OK.size(1) == x_NK.size(1) && optional(work.bias_O, {outputs}) &&
         optional(work.residual_NO, {x_NK.size(0), outputs}) &&
         optional(work.out_NO, {x_NK.size(0), outputs});
}
bool rows_taken(const at::Tensor& x_NK) {
  return x_NK.dim() == 2 && x_NK.size(0) >= 1 && x_NK.size(0) <= kMostRows;
}

Factor factor_of(const RowWork& work) {
  return {read(work.weight_OK), work.bias_O.defined() ? read(work.bias_O) : nullptr,
          work.residual_NO.defined() ? read(work.residual_NO) : nullptr,
          work.out_NO.defined() ? written(work.out_NO) : nullptr, work.weight_OK.size(0)};
}

// Returns the kernel for this number of rows.
Id for_rows(Id first, const at::Tensor& x_NK) {
  return static_cast<Id>(first + static_cast<size_t>(x_NK.size(0)) - 1);
}

}  // namespace

bool rms_norm(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps,
              const at::Tensor& out_RC) {
  if (!taken({&x_RC, &weight_C, &out_RC})) return false;
  const int64_t columns = x_RC.size(-1), rows = x_RC.numel() / columns;
  if (weight_C.numel() != columns || out_RC.sizes() != x_RC.sizes()) return false;
  const auto [blocks, grid] = row_grid(rows, columns);
  return start(blocks ? kNormBlocks : kNormWarps, x_RC, grid, read(x_RC), read(weight_C),
               written(out_RC), rows, columns, static_cast<float>(eps));
}

bool rms_norm_gradient(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                       const at::Tensor& weight_C, double eps, const at::Tensor& d_x_RC) {
  if (!taken({&x_RC, &d_out_RC, &weight_C, &d_x_RC})) return false;
  const int64_t columns = x_RC.size(-1), rows = x_RC.numel() / columns;
  if (weight_C.numel() != columns || d_out_RC.sizes() != x_RC.sizes() ||
      d_x_RC.sizes() != x_RC.sizes()) {
    return false;
  }
  const auto [blocks, grid] = row_grid(rows, columns);
  return start(blocks ? kNormGradientBlocks : kNormGradientWarps, x_RC, grid, read(d_out_RC),
               read(x_RC), read(weight_C), written(d_x_RC), rows, columns, static_cast<float>(eps));
}

bool rope(const at::Tensor& x_NHE, const at::Tensor& also_NHE, const at::Tensor& cos_NE,
          const at::Tensor& sin_NE) {
  if (!alike({&x_NHE, &cos_NE, &sin_NE}) || !Registry::instance().usable()) return false;
  if (!heads_taken(x_NHE, x_NHE) || x_NHE.size(2) % 2 != 0 || !angles_taken(cos_NE, x_NHE) ||
      !angles_taken(sin_NE, x_NHE)) {
    return false;
  }
  Heads first = heads_of(x_NHE), second = first;
  second.heads = 0;
  if (also_NHE.defined()) {
    if (!alike({&x_NHE, &also_NHE}) || !heads_taken(also_NHE, x_NHE)) return false;
    second = heads_of(also_NHE);
  }
  const Grid grid{x_NHE.size(0), 1, kThreads};
  return start(kRope, x_NHE, grid, first, second, read(cos_NE), read(sin_NE), cos_NE.stride(0),
               sin_NE.stride(0), static_cast<int>(x_NHE.size(2)));
}

bool silu_mul(const at::Tensor& gate_NI, const at::Tensor& up_NI) {
  if (!taken({&gate_NI, &up_NI}) || gate_NI.sizes() != up_NI.sizes()) return false;
  return start(kSiluMul, gate_NI, element_grid(gate_NI), written(gate_NI), read(up_NI),
               gate_NI.numel());
}

bool silu_mul_gradient(const at::Tensor& d_out_NI, const at::Tensor& gate_NI,
                       const at::Tensor& up_NI, const at::Tensor& d_gate_NI,
                       const at::Tensor& d_up_NI) {
  const Tensors all = {&gate_NI, &d_out_NI, &up_NI, &d_gate_NI, &d_up_NI};
  const auto same = [&](const at::Tensor* t) { return t->sizes() == gate_NI.sizes(); };
  if (!taken(all) || !std::ranges::all_of(all, same)) return false;
  return start(kSiluGradient, gate_NI, element_grid(gate_NI), read(d_out_NI), read(gate_NI),
               read(up_NI), written(d_gate_NI), written(d_up_NI), gate_NI.numel());
}

bool drop(const at::Tensor& x_RC, double p, uint64_t seed, const at::Tensor& keys_R,
          const at::Tensor& out_RC) {
  if (!taken({&x_RC, &out_RC}) || x_RC.sizes() != out_RC.sizes()) return false;
  const int64_t columns = x_RC.size(-1), rows = x_RC.numel() / columns;
  constexpr int64_t kMostColumns = int64_t{1} << 30;
  if (keys_R.scalar_type() != at::kLong || keys_R.device() != x_RC.device() ||
      !keys_R.is_contiguous() || keys_R.numel() != rows || columns > kMostColumns) {
    return false;
  }
  return start(kDrop, x_RC, {rows, 1, kThreads}, read(x_RC), written(out_RC), read(keys_R),
               static_cast<int>(columns), seed, static_cast<uint32_t>(p * 4294967296.),
               static_cast<float>(1 / (1 - p)));
}

bool rows_fit(const at::Tensor& x_NK, const at::Tensor& weight_OK) {
  return rows_taken(x_NK) && work_taken(x_NK, {weight_OK, {}, {}, {}});
}

bool row_products(const at::Tensor& x_NK, std::span<const RowWork> works) {
  if (!rows_taken(x_NK) || works.empty() || works.size() > kMostFactors) return false;
  Factors factors{};
  int64_t outputs = 0;
  for (size_t i = 0; i < works.size(); ++i) {
    if (!works[i].out_NO.defined() || !work_taken(x_NK, works[i])) return false;
    factors.factor[i] = factor_of(works[i]);
    outputs += factors.factor[i].outputs;
  }
  return start(for_rows(kRowProducts, x_NK), x_NK, {outputs, 1, kRowThreads}, factors, read(x_NK),
               x_NK.size(1));
}

bool gate_up_product(const at::Tensor& x_NK, const RowWork& gate, const RowWork& up) {
  if (!rows_taken(x_NK) || !gate.out_NO.defined() || !work_taken(x_NK, gate) ||
      !work_taken(x_NK, up) || gate.weight_OK.sizes() != up.weight_OK.sizes()) {
    return false;
  }
  const Factors factors{{factor_of(gate), factor_of(up), {}}};
  return start(for_rows(kGateUp, x_NK), x_NK, {gate.weight_OK.size(0), 1, kRowThreads}, factors,
               read(x_NK), x_NK.size(1));
}

}  // namespace mop::cuda
