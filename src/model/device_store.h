// model/device_store.h -- the weights of checkpoints on a device. Each is uploaded once, whatever
// loaders, passes and candidates use it, in the order in which they are asked for: a thread of the
// store's has them copied through page-locked memory while the device computes.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tensor/dtype.h"

namespace mop {

/// A tensor on the CPU that a device is to hold.
struct StoredWeight {
  /// Who holds the values: a checkpoint, or a changed tensor. Kept alive as long as the store needs
  /// it; with `name` it is the key under which the values are shared.
  std::shared_ptr<const void> owner;
  std::string name;      ///< in the checkpoint; empty for a changed tensor
  int64_t elements = 0;  ///< of the tensor
  /// Gives the values: CPU, any floating dtype. Called once, on the store's own thread.
  std::function<at::Tensor()> open;
};

/// Bytes that a store may keep on `device` now: what is free, less a part for everything else that
/// a pass needs there.
int64_t store_budget(c10::Device device);
/// Bytes that the temporaries of a piece of tokens may take on a device whose store has a budget of
/// `budget_bytes`.
int64_t working_bytes(int64_t budget_bytes);

/// Weights on one device in one dtype, up to a number of bytes. What comes first stays; what no
/// longer fits is uploaded again each time it is asked for. The device's memory is read and written
/// in the order of the stream that was current when the store was made. Its functions may be called
/// from one thread only.
class DeviceStore {
 public:
  /// A tensor that is on its way or has arrived. Letting go of one that is not resident frees it.
  class Upload;
  using Handle = std::shared_ptr<Upload>;

  /// `budget_bytes` bounds what stays; what streams needs memory beside it.
  DeviceStore(c10::Device device, DType dtype, int64_t budget_bytes);
  ~DeviceStore();

  /// Starts the upload unless the tensor is resident or on its way; does not wait. With `keep`
  /// false a tensor that is not resident yet does not become so.
  Handle request(const StoredWeight& weight, bool keep = true);
  /// The tensor on the device. Work that is started afterwards waits for the copy, the host does
  /// not. Throws what opening or copying it threw.
  at::Tensor wait(const Handle& handle);

  bool is_resident(const StoredWeight& weight) const;
  /// Bytes of the budget that nothing uses yet.
  int64_t free_bytes() const;
  /// Takes `bytes` from the budget until the result is destroyed; null when they do not fit.
  std::shared_ptr<void> reserve(int64_t bytes);
  /// A small tensor that is made once (tables of positions, say), by its name.
  at::Tensor constant(const std::string& name, const std::function<at::Tensor()>& make);

  c10::Device device() const;
  DType dtype() const;
  int64_t budget_bytes() const;
  /// Bytes uploaded so far.
  int64_t uploaded_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
