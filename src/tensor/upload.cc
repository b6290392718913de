// tensor/upload.cc
#include "tensor/upload.h"

#include <ATen/ATen.h>

namespace mop {
namespace {

// Queried once: a backend without page-locked memory throws.
bool offers_page_locked_memory(c10::Device device) {
  if (device.is_cpu()) return false;
  static const bool offers = [] {
    try {
      return at::empty({1}, at::TensorOptions().pinned_memory(true)).defined();
    } catch (const c10::Error&) {
      return false;
    }
  }();
  return offers;
}

}  // namespace

at::Tensor page_locked(at::IntArrayRef shape, at::ScalarType dtype, c10::Device device) {
  const auto options = at::TensorOptions().dtype(dtype);
  return at::empty(shape,
                   offers_page_locked_memory(device) ? options.pinned_memory(true) : options);
}

at::Tensor upload(const at::Tensor& host, c10::Device device) {
  if (!host.is_cpu() || !offers_page_locked_memory(device)) {
    return host.to(device);
  }
  at::Tensor locked = page_locked(host.sizes(), host.scalar_type(), device);
  locked.copy_(host);
  return locked.to(device, /*non_blocking=*/true);
}

}  // namespace mop
