// model/model.cc
#include "model/model.h"

#include <fmt/format.h>

#include <numeric>
#include <set>

#include "base/error.h"

namespace mop {
namespace {

// How a checkpoint differs from what its config promises: (label, line) of each difference.
using Differences = std::vector<std::pair<std::string, std::string>>;

std::string shape_text(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

bool is_weight_dtype(DType dtype) {
  return dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16;
}

void check_tensor(const Checkpoint& checkpoint, const std::string& name,
                  const std::vector<int64_t>& expected, Differences& differences) {
  if (!checkpoint.has(name)) {
    differences.emplace_back("missing", name);
    return;
  }
  const TensorEntry& entry = checkpoint.entry(name);
  if (entry.shape != expected) {
    differences.emplace_back("shape", fmt::format("{} is {}, expected {}", name,
                                                  shape_text(entry.shape), shape_text(expected)));
  }
  if (!is_weight_dtype(entry.dtype)) {
    differences.emplace_back("dtype", fmt::format("{} is {}, expected F32, F16 or BF16", name,
                                                  safetensors_name(entry.dtype)));
  }
}

// Old files carry the rotary frequencies, tied ones sometimes a copy of the embedding: neither is
// read.
bool may_be_ignored(const std::string& name, const ModelConfig& config) {
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  for (const GlobalTensor& tensor : config.family->global_tensors) {
    if (tensor.name == name) return !tensor.present(config);
  }
  return false;
}

std::vector<int64_t> expected_shape(const std::vector<Axis>& axes, const ModelConfig& config,
                                    const LayerShape& shape) {
  std::vector<int64_t> sizes;
  for (const Axis axis : axes) sizes.push_back(axis_length(axis, config, shape));
  return sizes;
}

Differences compare(const Checkpoint& checkpoint, const ModelConfig& config) {
  Differences differences;
  std::set<std::string> known;
  const auto check = [&](std::string name, const std::vector<Axis>& axes, const LayerShape& shape) {
    check_tensor(checkpoint, name, expected_shape(axes, config, shape), differences);
    known.insert(std::move(name));
  };
  for (const GlobalTensor* tensor : global_tensors(config)) {
    check(std::string(tensor->name), tensor->axes, {});
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    for (const LayerTensor* tensor : tensors_of_layer(config, config.layers[i])) {
      check(tensor_name(*config.family, static_cast<int64_t>(i), *tensor), tensor->axes,
            config.layers[i]);
    }
  }
  for (const std::string& name : checkpoint.names()) {
    if (!known.contains(name) && !may_be_ignored(name, config))
      differences.emplace_back("unknown", name);
  }
  return differences;
}

void check_tensors(const Checkpoint& checkpoint, const ModelConfig& config) {
  const Differences differences = compare(checkpoint, config);
  if (differences.empty()) return;
  std::map<std::string, int64_t> counts;
  for (const auto& [label, text] : differences) ++counts[label];
  std::string summary;
  for (const auto& [label, count] : counts) {
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, label);
  }
  Error error = bad_input("the tensors do not fit the config ({} model with {} layers): {}",
                          config.family->name, config.layers.size(), summary)
                    .where("model", checkpoint.folder().string());
  for (const auto& [label, text] : differences) error = std::move(error).where(label, text);
  throw error;
}

IndexList all_of(int64_t count) {
  IndexList list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

}  // namespace

bool Layer::same_as(const Layer& other) const {
  const auto same_value = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.is_same(b.second);
  };
  return source == other.source && heads == other.heads && kv_heads == other.kv_heads &&
         neurons == other.neurons &&
         std::equal(changed.begin(), changed.end(), other.changed.begin(), other.changed.end(),
                    same_value);
}

Model Model::open(const std::filesystem::path& folder) {
  return from_checkpoint(Checkpoint::open(folder));
}

Model Model::from_checkpoint(std::shared_ptr<const Checkpoint> checkpoint) {
  Model model;
  model.config_ =
      parse_config(checkpoint->config(), (checkpoint->folder() / "config.json").string());
  check_tensors(*checkpoint, model.config_);
  model.checkpoint_ = std::move(checkpoint);
  model.source_config_ = std::make_shared<const ModelConfig>(model.config_);
  for (size_t i = 0; i < model.config_.layers.size(); ++i) {
    const LayerShape& shape = model.config_.layers[i];
    model.layers_.push_back({static_cast<int32_t>(i),
                             all_of(shape.heads),
                             all_of(shape.kv_heads),
                             all_of(shape.mlp),
                             {}});
  }
  return model;
}

Model Model::with_layers(std::vector<Layer> layers) const {
  Model model = *this;
  model.layers_ = std::move(layers);
  model.config_.layers.clear();
  model.config_.windowed.clear();
  for (const Layer& layer : model.layers_) {
    const auto source = static_cast<size_t>(layer.source);
    if (source >= source_config_->layers.size()) {
      throw internal_error("source layer {} of {}", layer.source, source_config_->layers.size());
    }
    LayerShape shape = source_config_->layers[source];
    shape.heads = static_cast<int64_t>(layer.heads.size());
    shape.kv_heads = static_cast<int64_t>(layer.kv_heads.size());
    shape.mlp = static_cast<int64_t>(layer.neurons.size());
    model.config_.layers.push_back(shape);
    if (!source_config_->windowed.empty()) {
      model.config_.windowed.push_back(source_config_->windowed[source]);
    }
  }
  return model;
}

Model Model::with_biases(bool output, bool down) const {
  Model model = *this;
  model.config_.output_bias |= output;
  model.config_.down_bias |= down;
  return model;
}

Model Model::with_global(GlobalRole role, at::Tensor value) const {
  Model model = *this;
  model.changed_globals_[role] = std::move(value);
  return model;
}

}  // namespace mop
