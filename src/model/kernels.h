// model/kernels.h -- element-wise steps of a decoder layer. Each has two implementations: plain
// LibTorch operations (any device and dtype, differentiable), and a fused kernel that makes one
// pass over memory (CPU and NVIDIA GPUs, float32 and bfloat16; for GPUs see tensor/cuda_kernels.h).
// With fast matrix units the unfused steps would cost as much as the products.
//
// Shape letters: N tokens, R rows, C columns, H heads, E head size, I neurons.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// weight_C * x_RC / sqrt(mean(x^2) + eps), as transformers computes it: in float32, rounded to x's
/// dtype before the multiplication by the weight. Source: RMSNorm (arXiv 1910.07467).
at::Tensor rms_norm(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps);
/// The same, written to out_RC, which may be x_RC. No gradient.
void rms_norm_out(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps,
                  at::Tensor out_RC);

/// Applies rotary position encoding to each head; coordinate pairs are (i, i + E/2), as in HF
/// checkpoints. The second halves of cos_NE and sin_NE repeat the first. Source: RoFormer (arXiv
/// 2104.09864).
at::Tensor rope(const at::Tensor& x_NHE, const at::Tensor& cos_NE, const at::Tensor& sin_NE);
/// The same in place. No gradient.
void rope_(at::Tensor x_NHE, const at::Tensor& cos_NE, const at::Tensor& sin_NE);
/// The same for queries and keys in one launch on a GPU.
void rope_(at::Tensor x_NHE, at::Tensor also_NKE, const at::Tensor& cos_NE,
           const at::Tensor& sin_NE);

/// silu(gate_NI) * up_NI. Source: SwiGLU (arXiv 2002.05202).
at::Tensor silu_mul(const at::Tensor& gate_NI, const at::Tensor& up_NI);
/// The same, written to gate_NI. No gradient.
void silu_mul_(at::Tensor gate_NI, const at::Tensor& up_NI);

}  // namespace mop
