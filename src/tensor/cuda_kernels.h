// tensor/cuda_kernels.h -- kernels for NVIDIA GPUs, compiled by NVRTC when they are first needed: a
// fraction of a second for each file of kernels, dtype and GPU. They start in LibTorch's current
// stream. Each stands for plain LibTorch operations that its caller has beside it, and returns
// whether it took the work: on false nothing is changed and the caller does it the plain way. They
// take contiguous CUDA tensors of one dtype, float32 or bfloat16, unless a comment says more.
//
// The environment variable MOP_CUDA_KERNELS=0 leaves everything to the plain operations. So does a
// missing NVRTC, told by LibTorch's log (TORCH_CPP_LOG_LEVEL=INFO), and an error of the compiler or
// the driver, told by one warning.
//
// Shape letters: N tokens, R rows, C columns, H heads, E head size, I neurons, K inputs, O outputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mop::cuda {

/// rms_norm of model/kernels.h into out_RC, which may be x_RC.
bool rms_norm(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps,
              const at::Tensor& out_RC);
/// The gradient of that by x, into d_x_RC.
bool rms_norm_gradient(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                       const at::Tensor& weight_C, double eps, const at::Tensor& d_x_RC);

/// rope_ of model/kernels.h in place, of one tensor or (`also_NHE` defined) two at once. Tokens and
/// heads may lie apart; what must be contiguous are a head, and a row of cos_NE and sin_NE.
bool rope(const at::Tensor& x_NHE, const at::Tensor& also_NHE, const at::Tensor& cos_NE,
          const at::Tensor& sin_NE);

/// silu(gate_NI) * up_NI into gate_NI.
bool silu_mul(const at::Tensor& gate_NI, const at::Tensor& up_NI);
/// The gradients of that, into d_gate_NI and d_up_NI.
bool silu_mul_gradient(const at::Tensor& d_out_NI, const at::Tensor& gate_NI,
                       const at::Tensor& up_NI, const at::Tensor& d_gate_NI,
                       const at::Tensor& d_up_NI);

/// dropped of model/gradient_kernels.h into out_RC; keys_R is int64 and on x's device.
bool drop(const at::Tensor& x_RC, double p, uint64_t seed, const at::Tensor& keys_R,
          const at::Tensor& out_RC);

/// One product of a few rows x_NK: x weight_OK^T + bias_O, rounded, + residual_NO -> out_NO. bias
/// and residual may be undefined; the residual may be `out_NO`.
struct RowWork {
  at::Tensor weight_OK, bias_O, residual_NO, out_NO;
};
/// Whether `row_products` is likely to take these operands and faster than a general product.
bool rows_fit(const at::Tensor& x_NK, const at::Tensor& weight_OK);
/// One to three products of one to four rows in one launch; the sums' order depends on K alone.
bool row_products(const at::Tensor& x_NK, std::span<const RowWork> works);
/// silu(x gate^T) * (x up^T), each product rounded first, into gate.out_NO, in one launch. The
/// residuals and up.out_NO are not used.
bool gate_up_product(const at::Tensor& x_NK, const RowWork& gate, const RowWork& up);

/// The text of each file of kernels as NVRTC gets it, for tests: name and text.
struct KernelFile {
  const char* name;
  std::string text;
};
std::vector<KernelFile> kernel_files();
/// Whether kernels run on this GPU; if not, why.
struct KernelState {
  bool usable = false;
  std::string reason;
};
KernelState kernel_state(int device);

}  // namespace mop::cuda
