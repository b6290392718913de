// model/device_store.h -- weights of checkpoints on a device. Each tensor is uploaded once and
// shared by all loaders, passes and candidates. Uploads run in request order: a worker thread
// copies through page-locked memory while the device computes.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tensor/dtype.h"

namespace mop {

/// A CPU tensor to be stored on a device.
struct StoredWeight {
  /// The object that owns the values, a checkpoint or a changed tensor; kept alive while the store
  /// needs it. Together with `name` the key under which the values are shared.
  std::shared_ptr<const void> owner;
  std::string name;      ///< in the checkpoint; empty for a changed tensor
  int64_t elements = 0;  ///< number of elements
  /// Returns the values: CPU, any floating dtype. Called once, on the store's worker thread.
  std::function<at::Tensor()> open;
};

/// Returns the bytes a store may keep on `device`: the free memory minus a reserve for all else
/// that a pass needs.
int64_t store_budget(c10::Device device);
/// Returns the bytes that temporaries of a piece of tokens may use on a device whose store has a
/// budget of `budget_bytes`.
int64_t working_bytes(int64_t budget_bytes);

/// Weights on one device in one dtype, within a byte budget. Tensors become resident in the order
/// of their first request; those that no longer fit are uploaded again at each request. Device
/// memory is accessed in the order of the stream that was current at construction. Not thread-safe.
class DeviceStore {
 public:
  /// A tensor that is being or has been uploaded. Releasing a handle of a non-resident tensor frees
  /// its memory.
  class Upload;
  using Handle = std::shared_ptr<Upload>;

  /// `budget_bytes` limits resident tensors; streamed ones need memory in addition.
  DeviceStore(c10::Device device, DType dtype, int64_t budget_bytes);
  ~DeviceStore();

  /// Starts the upload unless the tensor is resident or being uploaded; does not wait. With `keep`
  /// false, a tensor that is not resident does not become resident.
  Handle request(const StoredWeight& weight, bool keep = true);
  /// Returns the tensor on the device. Work started afterwards waits for the copy; the host does
  /// not. Rethrows errors of opening or copying.
  at::Tensor wait(const Handle& handle);

  bool is_resident(const StoredWeight& weight) const;
  /// Returns the unused bytes of the budget.
  int64_t free_bytes() const;
  /// Reserves `bytes` of the budget until the result is destroyed; null if they do not fit.
  std::shared_ptr<void> reserve(int64_t bytes);
  /// Returns a small tensor, created by `make` at the first call with this name (e.g. rotary
  /// tables).
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
