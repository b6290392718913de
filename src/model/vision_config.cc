// model/vision_config.cc
#include "model/vision_config.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "model/activation.h"
#include "model/config_values.h"

namespace mop {
namespace {

// LLaVA's default tower, used if the config has no vision_config.
const VisionConfig kClipLarge336{
    .hidden = 1024, .mlp = 4096, .layers = 24, .heads = 16, .image = 336, .patch = 14};

std::vector<LayerShape> equal_shapes(const VisionConfig& config) {
  const LayerShape shape = {config.heads, config.heads, config.hidden / config.heads, config.mlp};
  return {static_cast<size_t>(config.layers), shape};
}

// Reads one of our per-layer lists of a pruned tower; absent = all layers are equal.
void read_layers(const Json& section, const char* key, int64_t most,
                 const std::function<void(LayerShape&, int64_t)>& set, VisionConfig& config,
                 const std::string& where) {
  const std::vector<int64_t> values = whole_numbers(section, key, where);
  if (values.empty()) return;
  if (std::ssize(values) != config.layers) {
    throw bad_input("'{}' has {} numbers for {} layers", key, values.size(), config.layers)
        .where("file", where);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 1 || values[i] > most) {
      throw bad_input("'{}' is {} in layer {}, expected 1 to {}", key, values[i], i, most)
          .where("file", where);
    }
    set(config.shapes[i], values[i]);
  }
}

std::string read_activation(const Json& raw, const char* key, const std::string& fallback,
                            const std::string& where) {
  std::string name = get_or<std::string>(raw, key, fallback, where);
  try {
    find_activation(name, key);
  } catch (Error& e) {
    throw std::move(e).where("file", where);
  }
  return name;
}

void check_tower(const Json& section, const std::string& where) {
  const auto type = get_or<std::string>(section, "model_type", "clip_vision_model", where);
  if (type == "clip_vision_model") return;
  throw bad_input("unsupported vision tower: model_type '{}'", type)
      .where("file", where)
      .hint("supported: clip_vision_model");
}

void check_layer(int64_t layer, const VisionConfig& vision, const std::string& where) {
  // The hidden states are the embeddings and the output of every layer.
  if (layer >= -vision.layers - 1 && layer <= vision.layers) return;
  throw bad_input("'vision_feature_layer' is {}, but the tower has {} layers", layer, vision.layers)
      .where("file", where);
}

}  // namespace

VisionConfig read_vision_config(const Json& whole, const std::string& where) {
  const auto found = whole.find("vision_config");
  if (found == whole.end() || found->is_null()) {
    VisionConfig config = kClipLarge336;
    config.shapes = equal_shapes(config);
    return config;
  }
  const Json& section = *found;
  const std::string place = where + ", vision_config";
  if (!section.is_object()) throw bad_input("it must be an object").where("file", place);
  check_tower(section, place);
  VisionConfig config;
  const auto size = [&](const char* key, int64_t& value) {
    value = size_or(section, key, value, place);
  };
  size("hidden_size", config.hidden);
  size("intermediate_size", config.mlp);
  size("num_hidden_layers", config.layers);
  size("num_attention_heads", config.heads);
  size("num_channels", config.channels);
  size("image_size", config.image);
  size("patch_size", config.patch);
  config.norm_eps = get_or<double>(section, "layer_norm_eps", config.norm_eps, place);
  config.activation = read_activation(section, "hidden_act", config.activation, place);
  if (config.channels != 3) {
    throw bad_input("the tower's num_channels is {}, expected 3", config.channels)
        .where("file", place);
  }
  if (config.hidden % config.heads != 0) {
    throw bad_input("hidden_size {} is not a multiple of {} heads", config.hidden, config.heads)
        .where("file", place);
  }
  if (config.patch > config.image || config.layers > 1000 || config.image > 1 << 15 ||
      std::max(config.hidden, config.mlp) > 1 << 17) {
    throw bad_input(
        "{} layers of {} and {}, images of {} pixels and patches of {}: not a plausible tower",
        config.layers, config.hidden, config.mlp, config.image, config.patch)
        .where("file", place);
  }
  config.shapes = equal_shapes(config);
  const auto set_heads = [](LayerShape& shape, int64_t n) { shape.heads = shape.kv_heads = n; };
  const auto set_mlp = [](LayerShape& shape, int64_t n) { shape.mlp = n; };
  read_layers(section, kHeadsPerLayer, config.heads, set_heads, config, place);
  read_layers(section, kMlpPerLayer, config.mlp, set_mlp, config, place);
  return config;
}

ProjectorConfig read_projector_config(const Json& whole, const VisionConfig& vision,
                                      const std::string& where) {
  ProjectorConfig config;
  config.bias = get_or<bool>(whole, "multimodal_projector_bias", true, where);
  config.activation = read_activation(whole, "projector_hidden_act", "gelu", where);
  const auto strategy =
      get_or<std::string>(whole, "vision_feature_select_strategy", "default", where);
  if (strategy != "default" && strategy != "full") {
    throw bad_input("unsupported: vision_feature_select_strategy is '{}'", strategy)
        .where("file", where)
        .hint("supported: default, full");
  }
  config.keeps_class = strategy == "full";
  const std::vector<int64_t> layers = whole_numbers(whole, "vision_feature_layer", where);
  if (!layers.empty()) config.feature_layers = layers;
  if (std::ssize(config.feature_layers) > vision.layers + 1) {
    throw bad_input("'vision_feature_layer' names {} layers of {}", config.feature_layers.size(),
                    vision.layers)
        .where("file", where);
  }
  bool computes = false;
  for (const int64_t layer : config.feature_layers) {
    check_layer(layer, vision, where);
    computes = computes || (layer != 0 && layer != -vision.layers - 1);
  }
  if (!computes) {
    throw bad_input(
        "'vision_feature_layer' names no layer: features that are the embeddings alone are not "
        "supported")
        .where("file", where);
  }
  return config;
}

int64_t rows_of_image(const VisionConfig& vision, const ProjectorConfig& projector) {
  return vision.patches() + (projector.keeps_class ? 1 : 0);
}

}  // namespace mop
