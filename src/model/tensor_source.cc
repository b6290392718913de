// model/tensor_source.cc
#include "model/tensor_source.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "tensor/gather.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Returns the kept units of `axis` if some were removed, else null; null for a layer's units if
// there is no layer.
const IndexList* kept_units(Axis axis, const Model& model, const Layer* layer,
                            const LayerShape& source) {
  const auto unless_all = [](const IndexList& list, int64_t count) {
    return std::ssize(list) == count ? nullptr : &list;
  };
  if (axis == Axis::kHidden) return unless_all(model.channels(), model.source_config().hidden);
  if (layer == nullptr) return nullptr;
  if (axis == Axis::kQuery) return unless_all(layer->heads, source.heads);
  if (axis == Axis::kKeyValue) return unless_all(layer->kv_heads, source.kv_heads);
  if (axis == Axis::kMlp) return unless_all(layer->neurons, source.mlp);
  return nullptr;
}

TensorSource find_source(const Model& model, std::string name, const at::Tensor* changed,
                         const std::vector<Axis>& axes, const Layer* layer,
                         const LayerShape& shape) {
  TensorSource source{.model = model, .name = std::move(name), .changed = changed};
  if (changed != nullptr) {
    source.shape = changed->sizes().vec();
    return source;
  }
  source.shape = axis_lengths(axes, model.source_config(), shape);
  for (size_t axis = 0; axis < axes.size(); ++axis) {
    const IndexList* units = kept_units(axes[axis], model, layer, shape);
    if (units == nullptr) continue;
    const bool heads = axes[axis] == Axis::kQuery || axes[axis] == Axis::kKeyValue;
    source.cuts.push_back({axes[axis], axis, units, heads ? shape.head_dim : 1});
  }
  return source;
}

double norm_scale(const Model& model) {
  return stream_norm_scale(model.source_config().hidden, model.config().hidden);
}

template <typename Map, typename Role>
const at::Tensor* find_changed(const Map& changed, Role role) {
  const auto found = changed.find(role);
  return found == changed.end() ? nullptr : &found->second;
}

}  // namespace

double stream_norm_scale(int64_t before, int64_t after) {
  return std::sqrt(static_cast<double>(before) / static_cast<double>(after));
}

IndexList AxisCut::rows() const {
  if (unit_rows == 1) return *units;
  IndexList rows;
  rows.reserve(units->size() * static_cast<size_t>(unit_rows));
  for (const int32_t unit : *units) {
    for (int64_t e = 0; e < unit_rows; ++e)
      rows.push_back(static_cast<int32_t>(unit * unit_rows + e));
  }
  return rows;
}

int64_t TensorSource::kept_elements() const {
  int64_t kept = elements();
  for (const AxisCut& cut : cuts)
    kept = kept / shape[cut.axis] * std::ssize(*cut.units) * cut.unit_rows;
  return kept;
}

TensorSource source_of(const Model& model, int64_t index, const LayerTensor& tensor) {
  const Layer& layer = model.layers()[static_cast<size_t>(index)];
  TensorSource source =
      find_source(model, tensor_name(*model.config().family, layer.source, tensor),
                  find_changed(layer.changed, tensor.role), tensor.axes, &layer,
                  model.source_config().layers[static_cast<size_t>(layer.source)]);
  if (source.is_cut() && is_stream_norm(tensor.role)) source.scale = norm_scale(model);
  return source;
}

TensorSource source_of(const Model& model, const GlobalTensor& tensor) {
  TensorSource source =
      find_source(model, std::string(tensor.name),
                  find_changed(model.changed_globals(), tensor.role), tensor.axes, nullptr, {});
  if (source.is_cut() && tensor.role == GlobalRole::kFinalNorm) source.scale = norm_scale(model);
  return source;
}

at::Tensor kept_tensor(const TensorSource& source, DType dtype, const at::Tensor& buffer) {
  at::Tensor value = source.stored();
  const DType stored = value.scalar_type();
  // Scaled norms are rounded to the stored dtype, so that computing and writing use the same
  // values.
  const DType last = source.scale == 1 ? dtype : stored;
  for (const AxisCut& cut : source.cuts) {
    const bool is_last = &cut == &source.cuts.back();
    value = gather(value, static_cast<int64_t>(cut.axis), cut.rows(), is_last ? last : stored,
                   is_last ? buffer : at::Tensor());
  }
  if (source.scale == 1) return value;
  return (value.to(at::kDouble) * source.scale).to(stored).to(dtype);
}

DeviceIndex::DeviceIndex(const Model& model, const Layer& layer, c10::Device device) {
  IndexList all = layer.heads;
  all.insert(all.end(), layer.kv_heads.begin(), layer.kv_heads.end());
  all.insert(all.end(), layer.neurons.begin(), layer.neurons.end());
  all.insert(all.end(), model.channels().begin(), model.channels().end());
  const auto parts =
      upload(at::tensor(all, at::kInt), device)
          .split_with_sizes({std::ssize(layer.heads), std::ssize(layer.kv_heads),
                             std::ssize(layer.neurons), std::ssize(model.channels())});
  heads_H = parts[0], kv_heads_K = parts[1], neurons_I = parts[2], channels_D = parts[3];
}

const at::Tensor& DeviceIndex::of(Axis axis) const {
  switch (axis) {
    case Axis::kQuery:
      return heads_H;
    case Axis::kKeyValue:
      return kv_heads_K;
    case Axis::kMlp:
      return neurons_I;
    case Axis::kHidden:
      return channels_D;
    case Axis::kVocab:
    case Axis::kHeadDim:
      break;
  }
  throw internal_error("nothing is cut along axis {}", static_cast<int>(axis));
}

at::Tensor kept_on_device(const at::Tensor& whole, const TensorSource& source,
                          const DeviceIndex& index, at::Tensor& buffer) {
  at::Tensor value = whole.view(source.shape);
  for (const AxisCut& cut : source.cuts) {
    // Shape [rows, columns] or [rows]; the axis is split into units and rows per unit.
    const auto axis = static_cast<int64_t>(cut.axis);
    const at::Tensor units = value.unflatten(axis, {-1, cut.unit_rows});
    if (&cut != &source.cuts.back()) {
      value = units.index_select(axis, index.of(cut.counts)).flatten(axis, axis + 1);
      continue;
    }
    std::vector<int64_t> kept_shape = units.sizes().vec();
    kept_shape[cut.axis] = std::ssize(*cut.units);
    const int64_t elements = c10::multiply_integers(kept_shape);
    if (!buffer.defined() || buffer.numel() < elements) {
      buffer = at::Tensor();  // freed first, so that both never exist at once
      buffer = at::empty({elements}, whole.options());
    }
    at::Tensor kept = buffer.narrow(0, 0, elements).view(kept_shape);
    at::index_select_out(kept, units, axis, index.of(cut.counts));
    value = kept.flatten(axis, axis + 1);
  }
  return value;
}

}  // namespace mop
