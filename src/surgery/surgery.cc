// surgery/surgery.cc -- applies plan steps. Shape letters: H query heads, K KV heads, I MLP
// neurons.
#include "surgery/surgery.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "model/family.h"
#include "model/tensor_source.h"
#include "structure/unit.h"

namespace mop {
namespace {

// Returns the positions in `kept` of the units that remain after removing `removed`. Throws if
// `removed` names a missing unit. `owner` names the layer or model in errors.
IndexList stay(const IndexList& kept, const IndexList& removed, const std::string& owner,
               const char* what) {
  IndexList positions;
  size_t next = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    if (next < removed.size() && removed[next] == kept[i]) {
      ++next;
    } else {
      positions.push_back(static_cast<int32_t>(i));
    }
  }
  if (next < removed.size()) {
    throw bad_input("{} has no {} {} to remove", owner, what, removed[next])
        .hint(fmt::format("indices refer to the dense {}, increase, and can be removed only once",
                          owner.starts_with("layer") ? "model's layer" : "model"));
  }
  if (positions.empty() && !kept.empty()) {
    throw bad_input("{} would keep 0 of {} {}s, at least 1 is required", owner, kept.size(), what);
  }
  return positions;
}

IndexList pick(const IndexList& values, const IndexList& positions) {
  IndexList picked;
  picked.reserve(positions.size());
  for (const int32_t i : positions) picked.push_back(values[static_cast<size_t>(i)]);
  return picked;
}

// The remaining units along each axis of a layer, as positions in its current tensors.
struct Staying {
  IndexList heads_H, kv_heads_K, neurons_I;
};

// Converts head positions to rows, `head_dim` per head.
IndexList rows_of(const IndexList& heads, int64_t head_dim) {
  IndexList rows;
  rows.reserve(heads.size() * static_cast<size_t>(head_dim));
  for (const int32_t head : heads) {
    for (int64_t i = 0; i < head_dim; ++i)
      rows.push_back(static_cast<int32_t>(head * head_dim + i));
  }
  return rows;
}

at::Tensor select(const at::Tensor& value, int64_t axis, const IndexList& rows) {
  return value.index_select(axis, at::tensor(rows, at::kInt).to(value.device()));
}

// Returns a changed tensor without the removed rows and columns.
at::Tensor slice(at::Tensor value, const LayerTensor& tensor, const Staying& staying,
                 int64_t head_dim) {
  for (size_t axis = 0; axis < tensor.axes.size(); ++axis) {
    const auto dim = static_cast<int64_t>(axis);
    switch (tensor.axes[axis]) {
      case Axis::kQuery:
        value = select(value, dim, rows_of(staying.heads_H, head_dim));
        break;
      case Axis::kKeyValue:
        value = select(value, dim, rows_of(staying.kv_heads_K, head_dim));
        break;
      case Axis::kMlp:
        value = select(value, dim, staying.neurons_I);
        break;
      case Axis::kVocab:
      case Axis::kHidden:
      case Axis::kHeadDim:
        break;  // never removed
    }
  }
  return value;
}

// Checks that every remaining KV head keeps all its query heads, and no others remain.
void check_groups(const Layer& layer, const LayerShape& source) {
  if (layer.kv_heads.empty() && layer.heads.empty()) return;
  std::vector<size_t> members(static_cast<size_t>(source.kv_heads), 0);
  for (const int32_t head : layer.heads) ++members[static_cast<size_t>(head / source.group())];
  for (int32_t kv = 0; kv < source.kv_heads; ++kv) {
    const bool stays = std::binary_search(layer.kv_heads.begin(), layer.kv_heads.end(), kv);
    const size_t expected = stays ? layer.heads.size() / layer.kv_heads.size() : 0;
    const size_t got = members[static_cast<size_t>(kv)];
    if (got == expected && (!stays || got > 0)) continue;
    throw bad_input("layer {} would keep {} query heads of KV head {}, expected {}", layer.source,
                    got, kv, expected)
        .hint("a KV head and its query heads must be removed together");
  }
}

// Checks that a removed half exists and the other one remains.
void check_halves(const Layer& layer, const LayerRemoval& removal) {
  const bool has_attention = !layer.heads.empty(), has_mlp = !layer.neurons.empty();
  if ((removal.attention && !has_attention) || (removal.mlp && !has_mlp)) {
    throw bad_input("layer {} has no {} half to remove", layer.source,
                    removal.attention && !has_attention ? "attention" : "MLP");
  }
  const bool attention_stays = has_attention && !removal.attention;
  if ((removal.attention || removal.mlp) && !attention_stays && (!has_mlp || removal.mlp)) {
    throw bad_input("layer {} would keep neither half", layer.source)
        .hint("remove the complete layer instead (\"whole\": true)");
  }
}

bool goes(const LayerRemoval& removal, Half half) {
  return half == Half::kAttention ? removal.attention : removal.mlp;
}

Layer cut(const Layer& layer, const LayerRemoval& removal, const ModelConfig& source_config) {
  const LayerShape& source = source_config.layers[static_cast<size_t>(layer.source)];
  check_halves(layer, removal);
  const std::string owner = fmt::format("layer {}", layer.source);
  Staying staying;
  if (!removal.attention) {
    staying.heads_H = stay(layer.heads, removal.heads, owner, "query head");
    staying.kv_heads_K = stay(layer.kv_heads, removal.kv_heads, owner, "KV head");
  }
  if (!removal.mlp) {
    staying.neurons_I = stay(layer.neurons, removal.neurons, owner, "neuron");
  }
  Layer result;
  result.source = layer.source;
  result.heads = pick(layer.heads, staying.heads_H);
  result.kv_heads = pick(layer.kv_heads, staying.kv_heads_K);
  result.neurons = pick(layer.neurons, staying.neurons_I);
  check_groups(result, source);
  for (const LayerTensor& tensor : source_config.family->layer_tensors) {
    const auto changed = layer.changed.find(tensor.role);
    if (changed == layer.changed.end() || goes(removal, tensor.half)) continue;
    result.changed[tensor.role] = slice(changed->second, tensor, staying, source.head_dim);
  }
  return result;
}

// Returns a changed tensor without the removed channels; norms of the residual stream are scaled,
// see Model::with_channels.
at::Tensor without_channels(at::Tensor value, const std::vector<Axis>& axes, bool is_norm,
                            const IndexList& staying_D) {
  double scale = 1;
  for (size_t axis = 0; axis < axes.size(); ++axis) {
    if (axes[axis] != Axis::kHidden) continue;
    const auto dim = static_cast<int64_t>(axis);
    scale = stream_norm_scale(value.size(dim), std::ssize(staying_D));
    value = select(value, dim, staying_D);
  }
  if (!is_norm) return value;
  return (value.to(at::kDouble) * scale).to(value.scalar_type());
}

Model without_channels(const Model& model, const IndexList& removed) {
  const ModelConfig& config = model.config();
  check_channels_may_go(config);
  const IndexList staying_D = stay(model.channels(), removed, "the model", "hidden channel");
  std::vector<Layer> layers = model.layers();
  for (Layer& layer : layers) {
    for (const LayerTensor& tensor : config.family->layer_tensors) {
      const auto changed = layer.changed.find(tensor.role);
      if (changed == layer.changed.end()) continue;
      changed->second =
          without_channels(changed->second, tensor.axes, is_stream_norm(tensor.role), staying_D);
    }
  }
  Model result =
      model.with_layers(std::move(layers)).with_channels(pick(model.channels(), staying_D));
  for (const GlobalTensor* tensor : global_tensors(config)) {
    const auto changed = model.changed_globals().find(tensor->role);
    if (changed == model.changed_globals().end()) continue;
    result = result.with_global(
        tensor->role, without_channels(changed->second, tensor->axes,
                                       tensor->role == GlobalRole::kFinalNorm, staying_D));
  }
  return result;
}

Model cut_layers(const std::vector<LayerRemoval>& removals, const Model& model) {
  std::vector<Layer> layers;
  auto removal = removals.begin();
  for (const Layer& layer : model.layers()) {
    if (removal == removals.end() || removal->layer != layer.source) {
      layers.push_back(layer);
      continue;
    }
    if (!removal->whole) layers.push_back(cut(layer, *removal, model.source_config()));
    ++removal;
  }
  if (removal != removals.end()) {
    throw bad_input("the plan removes units of layer {}, which does not exist", removal->layer)
        .where("model", fmt::format("{} layers left of {}", model.num_layers(),
                                    model.source_config().layers.size()))
        .hint("layers are numbered as in the dense model, in increasing order");
  }
  if (layers.empty()) throw bad_input("the plan would remove every layer");
  return model.with_layers(std::move(layers));
}

// Errors name the tower's layers as layers.
Model cut_tower(const std::vector<LayerRemoval>& removals, const Model& model) {
  if (model.tower() == nullptr) {
    throw bad_input("the plan prunes a vision tower, but the model has none that is computed")
        .where("model", model.checkpoint().folder().string());
  }
  try {
    return model.with_tower(cut_layers(removals, *model.tower()));
  } catch (Error& e) {
    throw std::move(e).where("of", "the vision tower");
  }
}

}  // namespace

Model apply(const PlanStep& step, const Model& model) {
  Model result = cut_layers(step.removals, model);
  if (!step.channels.empty()) result = without_channels(result, step.channels);
  return step.tower.empty() ? result : cut_tower(step.tower, result);
}

Model apply(const PrunePlan& plan, const Model& dense) {
  const int64_t parameters = total_parameters(dense.config());
  if (plan.dense_parameters != parameters) {
    throw bad_input("the plan was made for a model of {} parameters, this one has {}",
                    plan.dense_parameters, parameters)
        .where("model", dense.checkpoint().folder().string());
  }
  Model model = dense;
  for (const PlanStep& step : plan.steps) {
    model = apply(step, model);
    verify(model, step.parameters);
  }
  return model;
}

}  // namespace mop
