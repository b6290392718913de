// vision/clip_tower_config.cc -- vision_config of config.json.
#include "base/error.h"
#include "base/narrow.h"
#include "vision/clip_tower.h"
#include "vision/vision_config_keys.h"

namespace mop {
namespace {

constexpr const char* kWhere = "config.json, vision_config";

// Larger ones are of no tower; their products fit 64 bits.
int64_t size_of(const Json& raw, const char* key, int64_t fallback) {
  const auto it = raw.find(key);
  if (it == raw.end() || it->is_null()) return fallback;
  const int64_t size = whole_number(*it, key);
  if (size >= 1 && size <= 65536) return size;
  throw bad_input("{} is {}, outside of 1 to 65536", key, size);
}

void check(const ClipTowerConfig& config) {
  if (config.hidden % config.heads != 0)
    throw bad_input("hidden_size {} is not a multiple of num_attention_heads {}", config.hidden,
                    config.heads);
  if (config.patch > config.image_size)
    throw bad_input("patch_size {} is larger than image_size {}", config.patch, config.image_size);
  if (config.layers > 1024) throw bad_input("num_hidden_layers is {}, at most 1024", config.layers);
}

ClipTowerConfig parse(const Json& raw) {
  const auto type = get_or<std::string>(raw, "model_type", "clip_vision_model", kWhere);
  if (type != "clip_vision_model")
    throw bad_input("unsupported vision tower '{}'", type).hint("supported: clip_vision_model");
  if (const int64_t channels = size_of(raw, "num_channels", 3); channels != 3)
    throw bad_input("num_channels is {}, pictures have 3", channels);
  ClipTowerConfig config;
  config.hidden = size_of(raw, "hidden_size", config.hidden);
  config.mlp = size_of(raw, "intermediate_size", config.mlp);
  config.layers = size_of(raw, "num_hidden_layers", config.layers);
  config.heads = size_of(raw, "num_attention_heads", config.heads);
  config.image_size = size_of(raw, "image_size", config.image_size);
  config.patch = size_of(raw, "patch_size", config.patch);
  config.norm_eps = get_or<double>(raw, "layer_norm_eps", config.norm_eps, kWhere);
  config.activation =
      &find_activation(get_or<std::string>(raw, "hidden_act", "quick_gelu", kWhere), "hidden_act");
  check(config);
  for (const std::string& key : unknown_vision_keys(raw))
    config.notes.push_back("config.json: vision_config." + key +
                           " is not known, and copied without being read");
  return config;
}

}  // namespace

ClipTowerConfig parse_clip_tower(const Json& config) {
  const Json llava = {{"hidden_size", 1024},      {"intermediate_size", 4096},
                      {"num_hidden_layers", 24},  {"num_attention_heads", 16},
                      {"image_size", 336},        {"patch_size", 14}};
  const auto own = config.find("vision_config");
  try {
    if (own == config.end() || own->is_null()) return parse(llava);
    if (!own->is_object()) throw bad_input("vision_config must be an object");
    return parse(*own);
  } catch (Error& e) {
    throw std::move(e).where("in", kWhere);
  }
}

}  // namespace mop
