// model/tensor_source.h -- where a tensor of a model comes from, and what of it is kept.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/model.h"
#include "tensor/dtype.h"

namespace mop {

/// What is kept along one axis.
struct AxisCut {
  Axis counts;
  size_t axis;
  const IndexList* units;  ///< of the source
  int64_t unit_rows;       ///< rows or columns of a unit

  /// Numbers of the rows or columns that the kept units own.
  IndexList rows() const;
};

/// A tensor before and after the cut. Refers to the model.
struct TensorSource {
  const Model& model;
  std::string name;                     ///< in the checkpoint
  const at::Tensor* changed = nullptr;  ///< instead of the checkpoint's, already cut
  std::vector<AxisCut> cuts = {};       ///< by axis; empty = everything is kept
  std::vector<int64_t> shape = {};      ///< before the cut
  double scale = 1;                     ///< of a norm that lost channels: see Model::with_channels

  at::Tensor stored() const { return changed ? *changed : model.checkpoint().tensor(name); }
  bool is_cut() const { return !cuts.empty(); }
  int64_t elements() const { return c10::multiply_integers(shape); }
  int64_t kept_elements() const;
};

/// What norms of the residual stream are multiplied with when `before` channels become `after`: see
/// Model::with_channels.
double stream_norm_scale(int64_t before, int64_t after);

TensorSource source_of(const Model& model, int64_t layer, const LayerTensor& tensor);
TensorSource source_of(const Model& model, const GlobalTensor& tensor);

/// What is kept of a source that is cut, on the CPU; `buffer` as in `gather`.
at::Tensor kept_tensor(const TensorSource& source, DType dtype, const at::Tensor& buffer = {});

/// The kept units of a layer and of the residual stream on a device, in one upload: int32.
class DeviceIndex {
 public:
  DeviceIndex(const Model& model, const Layer& layer, c10::Device device);
  const at::Tensor& of(Axis axis) const;

 private:
  at::Tensor heads_H, kv_heads_K, neurons_I, channels_D;
};
/// The same on the device that holds `whole`, into the buffer's memory when it is large enough. Not
/// for norms that are scaled.
at::Tensor kept_on_device(const at::Tensor& whole, const TensorSource& source,
                          const DeviceIndex& index, at::Tensor& buffer);

}  // namespace mop
