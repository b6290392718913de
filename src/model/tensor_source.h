// model/tensor_source.h -- the source of a model's tensor: its name in the checkpoint or its
// changed value, and the kept indices along each axis.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/model.h"
#include "tensor/dtype.h"

namespace mop {

/// The kept units along one axis.
struct AxisCut {
  Axis counts;
  size_t axis;
  const IndexList* units;  ///< indices in the source
  int64_t unit_rows;       ///< rows or columns per unit

  /// Returns the indices of the kept units' rows or columns.
  IndexList rows() const;
};

/// A tensor before and after units are removed. Refers to the model.
struct TensorSource {
  const Model& model;
  std::string name;                     ///< in the checkpoint
  const at::Tensor* changed = nullptr;  ///< replaces the checkpoint's; has the final shape
  std::vector<AxisCut> cuts = {};       ///< by axis; empty = all is kept
  std::vector<int64_t> shape = {};      ///< before the removal
  double scale = 1;  ///< of a norm with removed channels: see Model::with_channels

  at::Tensor stored() const { return changed ? *changed : model.checkpoint().tensor(name); }
  bool is_cut() const { return !cuts.empty(); }
  int64_t elements() const { return c10::multiply_integers(shape); }
  int64_t kept_elements() const;
};

/// Returns the factor of residual stream norms when `before` channels become `after`: see
/// Model::with_channels.
double stream_norm_scale(int64_t before, int64_t after);

TensorSource source_of(const Model& model, int64_t layer, const LayerTensor& tensor);
TensorSource source_of(const Model& model, const GlobalTensor& tensor);

/// Returns the kept part of a source that is cut, on the CPU; `buffer` as in `gather`.
at::Tensor kept_tensor(const TensorSource& source, DType dtype, const at::Tensor& buffer = {});

/// The kept indices of a layer and of the residual stream on a device, int32, uploaded together.
class DeviceIndex {
 public:
  DeviceIndex(const Model& model, const Layer& layer, c10::Device device);
  const at::Tensor& of(Axis axis) const;

 private:
  at::Tensor heads_H, kv_heads_K, neurons_I, channels_D;
};
/// Like `kept_tensor` on the device of `whole`; uses the buffer's memory if it is large enough. Not
/// for scaled norms.
at::Tensor kept_on_device(const at::Tensor& whole, const TensorSource& source,
                          const DeviceIndex& index, at::Tensor& buffer);

}  // namespace mop
