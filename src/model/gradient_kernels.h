// model/gradient_kernels.h -- what the gradients of a decoder layer need between their products,
// fused like kernels.h: one pass over memory on the CPU and on NVIDIA GPUs in float32 and bfloat16,
// plain LibTorch operations elsewhere. None records a gradient itself.
//
// Shape letters: R rows, C columns, N tokens, I neurons.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace mop {

/// Gradient of rms_norm by its input, given that by its output.
at::Tensor rms_norm_backward(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                             const at::Tensor& weight_C, double eps);
/// Gradient of rms_norm by its weight, in the weight's dtype.
at::Tensor rms_norm_weight_backward(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                                    const at::Tensor& weight_C, double eps);

/// Gradients of silu_mul by gate and by up.
std::pair<at::Tensor, at::Tensor> silu_mul_backward(const at::Tensor& d_out_NI,
                                                    const at::Tensor& gate_NI,
                                                    const at::Tensor& up_NI);

/// `x` with every entry left out (0) with probability `p`, the others divided by 1 - p. Which ones
/// depends on `seed`, the row's key (keys_R: int64, on the CPU or, which saves sending them, where
/// x is) and the column alone, so it is drawn again instead of being kept: the same on every
/// machine and device, with any number of threads, and whatever rows come together. Throws
/// Error(kInternal) when there is not a key for every row.
at::Tensor dropped(const at::Tensor& x_RC, double p, uint64_t seed, const at::Tensor& keys_R);

}  // namespace mop
