// model/config.cc
#include "model/config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "model/composite.h"
#include "model/config_keys.h"
#include "model/config_values.h"
#include "model/family.h"
#include "model/rope_config.h"

namespace mop {
namespace {

// Required keys. transformers has defaults for them, but these describe one particular model, so a
// file without them is broken.
constexpr std::array kMustBeGiven = {"vocab_size", "hidden_size", "intermediate_size",
                                     "num_hidden_layers", "num_attention_heads"};

// Looks up model_type; very old files without it name only the class.
const Family& find_family(const Json& raw, bool within, const std::string& where) {
  std::string type = get_or<std::string>(raw, "model_type", "", where);
  if (type.starts_with(kPerLayerPrefix)) type.erase(0, kPerLayerPrefix.size());
  std::string architecture;
  if (const auto it = raw.find("architectures");
      it != raw.end() && it->is_array() && !it->empty() && it->front().is_string()) {
    architecture = it->front().get<std::string>();
  }
  std::string known;
  for (const Family& family : all_families()) {
    if (type.empty() ? family.architecture == architecture : family.model_type == type)
      return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  for (const CompositeKind& kind : all_composites())
    known += within ? "" : ", " + std::string(kind.model_type);
  throw bad_input("unknown model family: model_type '{}', architecture '{}'", type, architecture)
      .where("file", where)
      .hint("known model types: " + known);
}

// Returns the file with class defaults for missing keys; null stays null. LLaVA's files may omit
// even sizes.
Json with_class_defaults(const Json& raw, const Family& family, bool sizes_too) {
  Json filled = raw;
  const Json defaults = class_defaults(family);
  for (const auto& [key, value] : defaults.items()) {
    const bool must_be_given =
        !sizes_too && std::ranges::find(kMustBeGiven, key) != kMustBeGiven.end();
    if (!must_be_given && !filled.contains(key)) filled[key] = value;
  }
  return filled;
}

// These defaults determine tensor shapes and files without the keys are rare, so the user is told.
void note_class_defaults(const Json& raw, const Json& filled, ModelConfig& config) {
  for (const char* key : {"num_key_value_heads", "head_dim"}) {
    if (raw.contains(key) || !filled.contains(key) || filled[key].is_null()) continue;
    config.notes.push_back(fmt::format("the config has no {}: {}, the default of transformers' {}",
                                       key, filled[key].dump(), config.family->architecture));
  }
}

// No note for modelling code that this program wrote: it computes the same as this program.
void note_code(const Json& raw, ModelConfig& config) {
  const auto map = raw.find("auto_map");
  if (map == raw.end() || !map->is_object()) return;
  for (const auto& [key, value] : map->items()) {
    const std::string name = value.is_string() ? value.get<std::string>() : value.dump();
    if (name.starts_with("modeling_per_layer_") || name.starts_with("modeling_scaled_mistral.") ||
        name.starts_with("modeling_narrow_qwen2."))
      continue;
    config.notes.push_back(fmt::format(
        "auto_map refers to custom code ({}), which is not run: the model is computed as "
        "transformers' own {}",
        name, config.family->architecture));
    return;
  }
}

void note_unknown_keys(const Json& raw, const FormatKeys& keys, ModelConfig& config) {
  const std::vector<std::string> unknown = unknown_keys(raw, keys);
  if (unknown.empty()) return;
  config.notes.push_back(fmt::format("config.json: {} {} unknown and copied unread",
                                     fmt::join(unknown, ", "), unknown.size() == 1 ? "is" : "are"));
}

void check_groups(const LayerShape& shape, const std::string& where) {
  if (shape.heads % shape.kv_heads == 0) return;
  throw bad_input("{} heads are not a multiple of {} KV heads", shape.heads, shape.kv_heads)
      .where("file", where);
}

LayerShape read_shape(const Json& raw, const ModelConfig& config, const std::string& where) {
  LayerShape shape;
  shape.heads = size_of(raw, "num_attention_heads", where);
  shape.kv_heads = size_or(raw, "num_key_value_heads", shape.heads, where);
  shape.mlp = size_of(raw, "intermediate_size", where);
  check_groups(shape, where);
  shape.head_dim = size_or(raw, "head_dim", 0, where);
  if (shape.head_dim == 0) {
    if (config.hidden % shape.heads != 0) {
      throw bad_input("hidden_size {} is not a multiple of {} heads and head_dim is not given",
                      config.hidden, shape.heads)
          .where("file", where);
    }
    shape.head_dim = config.hidden / shape.heads;
  }
  if (shape.head_dim % 2 != 0) {
    throw bad_input("head_dim must be even for rotary positions, got {}", shape.head_dim)
        .where("file", where);
  }
  return shape;
}

// Removes the halves named in `skip` from the shape.
void skip_halves(const Json& list, LayerShape& shape, const std::string& where) {
  for (const Json& half : list) {
    if (half == "attention") {
      shape.heads = shape.kv_heads = 0;
    } else if (half == "mlp") {
      shape.mlp = 0;
    } else {
      throw bad_input("unsupported entry of 'skip': {}", half.dump())
          .where("file", where)
          .hint("supported: attention, mlp");
    }
  }
}

// Applies one layer's entries of `per_layer_config`.
void read_overrides(const Json& layer, LayerShape& shape, const std::string& where) {
  if (!layer.is_object()) throw bad_input("it must be an object").where("file", where);
  for (const auto& [key, value] : layer.items()) {
    if (key == "num_attention_heads") {
      shape.heads = size_of(layer, key, where);
    } else if (key == "num_key_value_heads") {
      shape.kv_heads = size_of(layer, key, where);
    } else if (key == "intermediate_size") {
      shape.mlp = size_of(layer, key, where);
    } else if (key != "skip" && !(key == "head_dim" && value == shape.head_dim)) {
      throw bad_input("unsupported: '{}' differs between layers", key)
          .where("file", where)
          .hint("supported: num_attention_heads, num_key_value_heads, intermediate_size, skip");
    }
  }
  check_groups(shape, where);
  if (layer.contains("skip")) skip_halves(layer["skip"], shape, where);
}

// transformers' own key for layers that differ (5.14 and later); the modelling code that this
// program writes reads it in all versions. Keys are layer numbers, with or without leading zeros.
void read_per_layer(const Json& raw, const std::string& where, ModelConfig& config) {
  const auto all = raw.find("per_layer_config");
  if (all == raw.end() || all->is_null()) return;
  if (!all->is_object()) {
    throw bad_input("'per_layer_config' must be an object, got {}", all->dump())
        .where("file", where);
  }
  for (const auto& [key, layer] : all->items()) {
    size_t index = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    if (error != std::errc() || end != key.data() + key.size() || index >= config.layers.size()) {
      throw bad_input("'per_layer_config' names layer '{}' of {} layers", key, config.layers.size())
          .where("file", where);
    }
    read_overrides(layer, config.layers[index], where + ", per_layer_config." + key);
  }
}

// The sizes may be valid one by one but too large together: counts of parameters and bytes must fit
// 63 bits.
void check_plausible(const ModelConfig& config, const std::string& where) {
  const auto hidden = static_cast<double>(config.hidden);
  double parameters = 2 * hidden * static_cast<double>(config.vocab);
  for (const LayerShape& layer : config.layers) {
    const double attention =
        2 * static_cast<double>(layer.heads + layer.kv_heads) * static_cast<double>(layer.head_dim);
    parameters += hidden * (attention + 3 * static_cast<double>(layer.mlp));
  }
  constexpr double kMost = 1e15;
  if (parameters > kMost)
    throw bad_input("the sizes make {:.2g} parameters: not a plausible config", parameters)
        .where("file", where);
}

// `given` is a complete config.json or, if `within`, the text_config of one.
ModelConfig parse_language_model(const Json& given, bool within, const std::string& where) {
  ModelConfig config;
  config.family = &find_family(given, within, where);
  check_refused_keys(given, where);
  const Json raw = with_class_defaults(given, *config.family, within);
  config.hidden = size_of(raw, "hidden_size", where);
  config.vocab = size_of(raw, "vocab_size", where);
  config.context = size_of(raw, "max_position_embeddings", where);
  config.norm_eps = require<double>(raw, "rms_norm_eps", where);
  config.tied_embedding = get_or<bool>(raw, "tie_word_embeddings", false, where);
  config.attention_bias = get_or<bool>(raw, "attention_bias", false, where);
  config.mlp_bias = get_or<bool>(raw, "mlp_bias", false, where);
  config.output_bias = get_or<bool>(raw, "o_proj_bias", false, where);
  config.down_bias = get_or<bool>(raw, "down_proj_bias", false, where);
  const std::vector<int64_t> bos = whole_numbers(given, "bos_token_id", where);
  if (!bos.empty()) config.bos = bos.front();
  config.eos = whole_numbers(given, "eos_token_id", where);
  const int64_t num_layers = size_of(raw, "num_hidden_layers", where);
  if (num_layers > 100000) {
    throw bad_input("'num_hidden_layers' is {}: not a plausible config", num_layers)
        .where("file", where);
  }
  note_class_defaults(given, raw, config);
  const LayerShape shape = read_shape(raw, config, where);
  config.layers.assign(static_cast<size_t>(num_layers), shape);
  config.rope = read_rope(raw, config.context, shape.head_dim, where, config.notes);
  read_per_layer(raw, where, config);
  check_plausible(config, where);
  config.raw = given;
  config.family->read_config(raw, where, config);
  check_layer_types(raw, where, config);
  note_code(given, config);
  note_unknown_keys(given, config_keys(), config);
  return config;
}

}  // namespace

ModelConfig parse_config(const Json& given, const std::string& where) {
  if (!given.is_object()) throw bad_input("the config is not a JSON object").where("file", where);
  std::shared_ptr<Composite> composite = read_composite(given, where);
  if (composite == nullptr) return parse_language_model(given, false, where);
  ModelConfig config =
      parse_language_model(text_config(*composite, where), true, where + ", text_config");
  composite->find_parts(config, where);
  note_unknown_keys(given, composite_keys(), config);
  config.composite = std::move(composite);
  return config;
}

int64_t ModelConfig::longest() const {
  const auto scaled = [&](int64_t tokens) {
    const double product = static_cast<double>(tokens) * rope.factor;
    return static_cast<int64_t>(std::min(product, static_cast<double>(kLargestSize)));
  };
  if (rope.type == "dynamic") return std::max(context, scaled(context));
  return rope.type == "yarn" ? std::max(context, scaled(rope.original_context)) : context;
}

}  // namespace mop
