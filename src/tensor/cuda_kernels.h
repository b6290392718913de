// tensor/cuda_kernels.h -- kernels for NVIDIA GPUs, compiled by NVRTC on first use: a fraction of a
// second per kernel file, dtype and GPU. They run in LibTorch's current stream. Each kernel
// replaces plain LibTorch operations, which its caller keeps as the fallback: a function returns
// false and changes nothing when it did not do the work. Tensors must be contiguous, on CUDA and of
// one dtype, float32 or bfloat16, unless a comment allows more.
//
// The environment variable MOP_CUDA_KERNELS=0 disables the kernels. They are also disabled when
// NVRTC is missing, which LibTorch's log reports (TORCH_CPP_LOG_LEVEL=INFO), and after an error of
// the compiler or the driver, with one warning.
//
// Shape letters: N tokens, R rows, C columns, H heads, E head size, I neurons, K inputs, O outputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mop::cuda {

/// rms_norm of model/kernels.h; writes out_RC, which may be x_RC.
bool rms_norm(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps,
              const at::Tensor& out_RC);
/// Gradient of rms_norm with respect to x; writes d_x_RC.
bool rms_norm_gradient(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                       const at::Tensor& weight_C, double eps, const at::Tensor& d_x_RC);

/// rope_ of model/kernels.h, in place, for one tensor or two (`also_NHE` defined). Tokens and heads
/// may be strided; each head and each row of cos_NE and sin_NE must be contiguous.
bool rope(const at::Tensor& x_NHE, const at::Tensor& also_NHE, const at::Tensor& cos_NE,
          const at::Tensor& sin_NE);

/// gate_NI = silu(gate_NI) * up_NI.
bool silu_mul(const at::Tensor& gate_NI, const at::Tensor& up_NI);
/// Gradients of silu_mul; writes d_gate_NI and d_up_NI.
bool silu_mul_gradient(const at::Tensor& d_out_NI, const at::Tensor& gate_NI,
                       const at::Tensor& up_NI, const at::Tensor& d_gate_NI,
                       const at::Tensor& d_up_NI);

/// dropped of model/gradient_kernels.h; writes out_RC. keys_R is int64 on x's device.
bool drop(const at::Tensor& x_RC, double p, uint64_t seed, const at::Tensor& keys_R,
          const at::Tensor& out_RC);

/// One matrix product with few rows: out_NO = round(x_NK weight_OK^T + bias_O) + residual_NO. bias
/// and residual may be undefined; the residual may be `out_NO`.
struct RowWork {
  at::Tensor weight_OK, bias_O, residual_NO, out_NO;
};
/// Returns whether `row_products` is likely to accept these operands and to be faster than a
/// general product.
bool rows_fit(const at::Tensor& x_NK, const at::Tensor& weight_OK);
/// One to three products with one to four rows in one launch. The order of summation depends on K
/// only.
bool row_products(const at::Tensor& x_NK, std::span<const RowWork> works);
/// gate.out_NO = silu(x gate^T) * (x up^T) in one launch, each product rounded first. Ignores the
/// residuals and up.out_NO.
bool gate_up_product(const at::Tensor& x_NK, const RowWork& gate, const RowWork& up);

/// Name and source text of each kernel file as NVRTC receives it, for tests.
struct KernelFile {
  const char* name;
  std::string text;
};
std::vector<KernelFile> kernel_files();
/// Whether kernels run on this GPU, or the reason why not.
struct KernelState {
  bool usable = false;
  std::string reason;
};
KernelState kernel_state(int device);

}  // namespace mop::cuda
