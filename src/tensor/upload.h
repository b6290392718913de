// tensor/upload.h -- small tensors on their way to a device.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace mop {

/// `host` (CPU, any dtype, contiguous) on `device`, through page-locked memory: neither the host
/// nor the device waits. Page-locked memory is used where the device offers it. On the CPU, and for
/// a tensor that is not on the CPU, the same as `host.to(device)`. For weights see DeviceStore.
at::Tensor upload(const at::Tensor& host, c10::Device device);

/// Uninitialised CPU memory, page-locked where the device of that type offers it.
at::Tensor page_locked(at::IntArrayRef shape, at::ScalarType dtype, c10::Device device);

}  // namespace mop
