// model/device_attention.h -- attention on devices where launching a kernel costs more than its
// work, with as few calls as possible. Shape letters as in forward.h.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/attention.h"
#include "model/packing_on_device.h"

namespace mop {

/// `attend` by LibTorch operations, on any device. On a GPU whose flash attention supports the
/// tensors (bfloat16 and float16), sequences of all lengths, their branches and a window are one
/// call. Otherwise neighbouring sequences of the same shape are one call, with masks created on the
/// device. `packed` must belong to the call's packing.
at::Tensor attend_on_device(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                            const at::Tensor& value_NKE, const AttentionCall& call,
                            PackingOnDevice& packed);

/// Causal attention of the segments' sequences by the flash attention kernel. CUDA only.
/// Differentiable, with a deterministic gradient.
at::Tensor attend_segments(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                           const at::Tensor& value_NKE, std::optional<int64_t> window,
                           PackingOnDevice& packed);

}  // namespace mop
