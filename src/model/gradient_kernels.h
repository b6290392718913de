// model/gradient_kernels.h -- kernels for the backward pass of a decoder layer, fused as in
// kernels.h: one pass over memory on the CPU and on NVIDIA GPUs in float32 and bfloat16, plain
// LibTorch operations elsewhere. They are not recorded by autograd.
//
// Shape letters: R rows, C columns, N tokens, I neurons.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace mop {

/// Gradient of rms_norm with respect to its input, given that of its output.
at::Tensor rms_norm_backward(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                             const at::Tensor& weight_C, double eps);
/// Gradient of rms_norm with respect to its weight, in the weight's dtype.
at::Tensor rms_norm_weight_backward(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                                    const at::Tensor& weight_C, double eps);

/// Gradients of silu_mul with respect to gate and up.
std::pair<at::Tensor, at::Tensor> silu_mul_backward(const at::Tensor& d_out_NI,
                                                    const at::Tensor& gate_NI,
                                                    const at::Tensor& up_NI);

/// Applies dropout to x_RC: each entry is zeroed with probability `p`, the others are divided by 1
/// - p. The mask depends only on `seed`, the row's key (keys_R: int64, on the CPU or on x's device,
/// which avoids an upload) and the column, so that it can be regenerated instead of kept; it is the
/// same on every machine and device, for any number of threads, and whatever rows are processed
/// together. Throws Error(kInternal) if the number of keys is not the number of rows.
at::Tensor dropped(const at::Tensor& x_RC, double p, uint64_t seed, const at::Tensor& keys_R);

}  // namespace mop
