// export/hf_layout.cc
#include "export/hf_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/inside_links.h"
#include "base/lower_ascii.h"
#include "export/hf_composite.h"
#include "model/composite.h"
#include "model/weights.h"
#include "text/tokenizer_files.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

PlacedTensor place_global(const Model& model, const GlobalTensor& tensor) {
  const auto changed = model.changed_globals().find(tensor.role);
  const std::string name(tensor.name);
  const DType dtype = changed != model.changed_globals().end()
                          ? changed->second.scalar_type()
                          : model.checkpoint().entry(name).dtype;
  return {{stored_name(written_layout(model), name), dtype,
           axis_lengths(tensor.axes, model.config(), {})},
          [&tensor](const Model& m) { return stored_global(m, tensor); }};
}

PlacedTensor place_layer_tensor(const Model& model, int64_t index, const LayerTensor& tensor) {
  const Layer& layer = model.layers()[static_cast<size_t>(index)];
  const Family& family = *model.config().family;
  const auto changed = layer.changed.find(tensor.role);
  const DType dtype =
      changed != layer.changed.end()
          ? changed->second.scalar_type()
          : model.checkpoint().entry(tensor_name(family, layer.source, tensor)).dtype;
  const LayerShape& shape = model.config().layers[static_cast<size_t>(index)];
  return {{stored_name(written_layout(model), tensor_name(family, index, tensor)), dtype,
           axis_lengths(tensor.axes, model.config(), shape)},
          [&tensor, index](const Model& m) { return stored_tensor(m, index, tensor); }};
}

// A prunable tensor of the tower, looked up by its name in the source.
struct TowerTensor {
  int64_t layer = 0;
  const LayerTensor* tensor = nullptr;
};
TowerTensor tower_tensor(const Model& model, const std::string& name) {
  if (model.tower() == nullptr) return {};
  for (const LayerTensor& tensor : tower_family().layer_tensors) {
    if (!name.ends_with(tensor.suffix)) continue;
    for (int64_t i = 0; i < model.tower()->num_layers(); ++i) {
      if (tensor_name(tower_family(), i, tensor) == name) return {i, &tensor};
    }
  }
  return {};
}

// A tensor outside the language model: as in the source's files, except what was removed.
PlacedTensor place_outside(const Model& model, const std::string& name) {
  const Checkpoint& source = model.checkpoint();
  const TensorEntry& entry = source.entry(name);
  const NameLayout& layout = written_layout(model);
  std::string stored =
      &layout == &source.layout() ? source.name_in_file(name) : stored_name(layout, name);
  const auto [layer, tensor] = tower_tensor(model, name);
  if (tensor == nullptr) {
    return {{std::move(stored), entry.dtype, entry.shape},
            [name](const Model& m) { return m.checkpoint().tensor(name); }};
  }
  const ModelConfig& tower = model.tower()->config();
  return {{std::move(stored), entry.dtype,
           axis_lengths(tensor->axes, tower, tower.layers[static_cast<size_t>(layer)])},
          [layer = layer, tensor = tensor](const Model& m) {
            return stored_tensor(*m.tower(), layer, *tensor);
          }};
}

// The embedding precedes the layers; the other global tensors follow them.
std::vector<PlacedTensor> all_tensors(const Model& model) {
  std::vector<PlacedTensor> front, back;
  for (const GlobalTensor* tensor : global_tensors(model.config())) {
    (tensor->role == GlobalRole::kEmbedding ? front : back).push_back(place_global(model, *tensor));
  }
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    const LayerShape& shape = model.config().layers[static_cast<size_t>(i)];
    for (const LayerTensor* tensor : tensors_of_layer(model.config(), shape)) {
      front.push_back(place_layer_tensor(model, i, *tensor));
    }
  }
  std::ranges::move(back, std::back_inserter(front));
  if (const Composite* composite = model.config().composite.get()) {
    for (const std::string& name : model.checkpoint().names()) {
      if (composite->has(name)) front.push_back(place_outside(model, name));
    }
  }
  return front;
}

}  // namespace

std::vector<TensorSpec> Shard::specs() const {
  std::vector<TensorSpec> specs;
  for (const PlacedTensor& tensor : tensors) specs.push_back(tensor.spec);
  return specs;
}

std::vector<Shard> lay_out(const Model& model, int64_t shard_bytes) {
  std::vector<Shard> shards(1);
  int64_t bytes = 0;
  for (PlacedTensor& tensor : all_tensors(model)) {
    const auto size = static_cast<int64_t>(tensor.spec.bytes());
    if (bytes > 0 && bytes + size > shard_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += size;
    shards.back().tensors.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].file = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  }
  return shards;
}

std::vector<std::string> licence_files(const fs::path& source) {
  std::vector<std::string> names;
  if (!fs::is_directory(source)) return names;
  for (const auto& item : fs::directory_iterator(source)) {
    const std::string name = item.path().filename().string();
    const std::string lower = lower_ascii(name);
    const bool licence =
        std::ranges::any_of(std::array{"license", "licence", "copying", "notice", "use_policy"},
                            [&](const char* prefix) { return lower.starts_with(prefix); });
    if (licence && fs::is_regular_file(item.path())) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> copied_files(const fs::path& source) {
  if (!fs::is_directory(source)) return {};  // a GGUF file contains its tokenizer
  const std::vector<std::string> tokenizer = tokenizer_files_in(source);
  std::set<std::string> names(tokenizer.begin(), tokenizer.end());
  for (const char* name : {"generation_config.json", "preprocessor_config.json",
                           "processor_config.json", "chat_template.json"}) {
    names.insert(name);
  }
  for (const std::string& name : licence_files(source)) names.insert(name);
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (!fs::is_regular_file(source / name)) continue;
    check_link_inside(source, source / name);
    found.push_back(name);
  }
  return found;
}

}  // namespace mop
