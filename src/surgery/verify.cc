// surgery/verify.cc -- checks a model's invariants after every step.
#include <ATen/ops/aminmax.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/composite.h"
#include "model/family.h"
#include "surgery/surgery.h"

namespace mop {
namespace {

// Checks that indices strictly increase and are in [0, size).
void check_indices(const IndexList& indices, int64_t size, const char* what,
                   const std::string& owner) {
  for (size_t i = 0; i < indices.size(); ++i) {
    const bool rises = i == 0 || indices[i] > indices[i - 1];
    if (rises && indices[i] >= 0 && indices[i] < size) continue;
    throw internal_error("{} keeps {} {} at position {}, but the source has {}", owner, what,
                         indices[i], i, size);
  }
}

void check_shape(const at::Tensor& value, const std::vector<Axis>& axes, const ModelConfig& config,
                 const LayerShape& shape, const std::string& name) {
  const std::vector<int64_t> expected = axis_lengths(axes, config, shape);
  if (value.sizes() == at::IntArrayRef(expected)) return;
  throw internal_error("changed tensor {} has the shape [{}], expected [{}]", name,
                       fmt::join(value.sizes(), ", "), fmt::join(expected, ", "));
}

// One pass without a copy: a NaN propagates to both minimum and maximum.
bool is_finite(const at::Tensor& value) {
  if (value.numel() == 0) return true;
  const auto [least, most] = value.detach().aminmax();
  return std::isfinite(least.item<double>()) && std::isfinite(most.item<double>());
}

void check_changed(const at::Tensor& value, const std::vector<Axis>& axes,
                   const ModelConfig& config, const LayerShape& shape, const std::string& name) {
  check_shape(value, axes, config, shape, name);
  if (!is_finite(value)) throw internal_error("changed tensor {} is not finite", name);
}

void check_layer(const Model& model, size_t index) {
  const Layer& layer = model.layers()[index];
  const LayerShape& shape = model.config().layers[index];
  const LayerShape& source = model.source_config().layers[static_cast<size_t>(layer.source)];
  const std::string owner = fmt::format("layer {}", layer.source);
  check_indices(layer.heads, source.heads, "query head", owner);
  check_indices(layer.kv_heads, source.kv_heads, "KV head", owner);
  check_indices(layer.neurons, source.mlp, "neuron", owner);
  const LayerShape expected = {static_cast<int64_t>(layer.heads.size()),
                               static_cast<int64_t>(layer.kv_heads.size()), source.head_dim,
                               static_cast<int64_t>(layer.neurons.size())};
  if (shape != expected) {
    throw internal_error(
        "layer {} keeps {} heads, {} KV heads and {} neurons, but its config says "
        "{}, {} and {}",
        layer.source, expected.heads, expected.kv_heads, expected.mlp, shape.heads, shape.kv_heads,
        shape.mlp);
  }
  if (shape.kv_heads > 0 ? shape.heads % shape.kv_heads != 0 : shape.heads != 0) {
    throw internal_error("layer {} has {} heads for {} KV heads", layer.source, shape.heads,
                         shape.kv_heads);
  }
  size_t found = 0;
  for (const LayerTensor* tensor : tensors_of_layer(model.config(), shape)) {
    const auto changed = layer.changed.find(tensor->role);
    if (changed == layer.changed.end()) continue;
    ++found;
    check_changed(changed->second, tensor->axes, model.config(), shape,
                  tensor_name(*model.config().family, layer.source, *tensor));
  }
  if (found != layer.changed.size()) {
    throw internal_error("layer {} has {} changed tensors that its family does not know",
                         layer.source, layer.changed.size() - found);
  }
}

void check_layers(const Model& model) {
  const auto& layers = model.layers();
  if (model.config().layers.size() != layers.size()) {
    throw internal_error("the model has {} layers, but its config lists {}", layers.size(),
                         model.config().layers.size());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto sources = static_cast<int32_t>(model.source_config().layers.size());
    const int32_t before = i == 0 ? -1 : layers[i - 1].source;
    if (layers[i].source <= before || layers[i].source >= sources) {
      throw internal_error("layer {} has source layer {}, after source layer {} of {}", i,
                           layers[i].source, before, sources);
    }
    check_layer(model, i);
  }
}

// The composite config must have the tower's current layers.
void check_tower(const Model& model) {
  if (model.tower() == nullptr) return;
  check_layers(*model.tower());
  if (model.config().composite->tower.layers != model.tower()->config().layers)
    throw internal_error("the vision tower and its config have layers of other sizes");
}

}  // namespace

void verify(const Model& model, int64_t expected_parameters) {
  check_layers(model);
  check_tower(model);
  check_indices(model.channels(), model.source_config().hidden, "hidden channel", "the model");
  if (model.config().hidden != std::ssize(model.channels())) {
    throw internal_error("the model keeps {} hidden channels, but its config says {}",
                         model.channels().size(), model.config().hidden);
  }
  for (const GlobalTensor* tensor : global_tensors(model.config())) {
    const auto changed = model.changed_globals().find(tensor->role);
    if (changed == model.changed_globals().end()) continue;
    check_changed(changed->second, tensor->axes, model.config(), {}, std::string(tensor->name));
  }
  const int64_t parameters = total_parameters(model.config());
  if (parameters != expected_parameters) {
    throw internal_error("the model has {} parameters, the plan predicts {}", parameters,
                         expected_parameters);
  }
}

}  // namespace mop
