// model/device_attention.h -- attention where starting a kernel costs more than its work: as few
// calls as there can be. Shape letters as in forward.h.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/attention.h"
#include "model/packing_on_device.h"

namespace mop {

/// As `attend`, in LibTorch's operations; any device. On a GPU whose flash attention takes the
/// tensors (bfloat16 and float16), sequences of all lengths, their branches and a window are one
/// call. Else neighbours of the same shape are, and masks are made on the device. `packed` is of
/// the call's packing.
at::Tensor attend_on_device(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                            const at::Tensor& value_NKE, const AttentionCall& call,
                            PackingOnDevice& packed);

/// Causal attention of the segments' sequences by the flash kernel. CUDA. Differentiable; the
/// gradient is the same in every run.
at::Tensor attend_segments(const at::Tensor& query_NHE, const at::Tensor& key_NKE,
                           const at::Tensor& value_NKE, std::optional<int64_t> window,
                           PackingOnDevice& packed);

}  // namespace mop
