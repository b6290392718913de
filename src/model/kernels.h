// model/kernels.h -- the element-wise steps of a decoder layer. Each stands twice: as plain
// LibTorch operations (any device and dtype, differentiable), and fused into one pass over memory
// that already belongs to the caller (CPU and NVIDIA GPUs, float32 and bfloat16; other tensors take
// the plain operations, and on a GPU see tensor/cuda_kernels.h). With a fast matrix unit what lies
// between the products would otherwise cost as much as they do.
//
// Shape letters: N tokens, R rows, C columns, H heads, E head size, I neurons.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// weight_C * x_RC / sqrt(mean(x^2) + eps), as transformers computes it: float32 inside, rounded to
/// x's dtype before the weight is multiplied. Source: RMSNorm (arXiv 1910.07467).
at::Tensor rms_norm(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps);
/// The same into out_RC, which may be x_RC. No gradient.
void rms_norm_out(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps,
                  at::Tensor out_RC);

/// Turns each head by its position; the two halves of a head are the pair's coordinates, as in HF
/// checkpoints. cos_NE and sin_NE repeat their first half. Source: RoFormer (arXiv 2104.09864).
at::Tensor rope(const at::Tensor& x_NHE, const at::Tensor& cos_NE, const at::Tensor& sin_NE);
/// The same in place. No gradient.
void rope_(at::Tensor x_NHE, const at::Tensor& cos_NE, const at::Tensor& sin_NE);
/// The same of two tensors, queries and keys: one start on a GPU.
void rope_(at::Tensor x_NHE, at::Tensor also_NKE, const at::Tensor& cos_NE,
           const at::Tensor& sin_NE);

/// silu(gate_NI) * up_NI. Source: SwiGLU (arXiv 2002.05202).
at::Tensor silu_mul(const at::Tensor& gate_NI, const at::Tensor& up_NI);
/// The same into gate_NI. No gradient.
void silu_mul_(at::Tensor gate_NI, const at::Tensor& up_NI);

}  // namespace mop
