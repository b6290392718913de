// tensor/upload.h -- copies small tensors to a device without blocking.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace mop {

/// Copies `host` (CPU, any dtype, contiguous) to `device` through page-locked memory where the
/// backend has it; neither host nor device waits. Equals `host.to(device)` when `device` is the CPU
/// or `host` is not on the CPU. For weights see DeviceStore.
at::Tensor upload(const at::Tensor& host, c10::Device device);

/// Returns uninitialised CPU memory, page-locked where the backend of `device` supports it.
at::Tensor page_locked(at::IntArrayRef shape, at::ScalarType dtype, c10::Device device);

}  // namespace mop
