// model/config.cc
#include "model/config.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "model/family.h"

namespace mop {
namespace {

// One setting of a config beyond this is a damaged file, and products of two must not overflow.
constexpr int64_t kLargestSize = int64_t{1} << 31;

int64_t size_of(const Json& raw, std::string_view key, const std::string& where) {
  const int64_t value = require<int64_t>(raw, key, where);
  if (value < 1 || value >= kLargestSize) {
    throw bad_input("'{}' must be between 1 and {}, got {}", key, kLargestSize - 1, value)
        .where("file", where);
  }
  return value;
}

int64_t size_or(const Json& raw, std::string_view key, int64_t fallback, const std::string& where) {
  const auto it = raw.find(std::string(key));
  return it == raw.end() || it->is_null() ? fallback : size_of(raw, key, where);
}

// By model_type; files without it (very old ones) name only the class.
const Family& find_family(const Json& raw, const std::string& where) {
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
  throw bad_input("unknown model family: model_type '{}', architecture '{}'", type, architecture)
      .where("file", where)
      .hint("known model types: " + known);
}

void check_activation(const Json& raw, const std::string& where) {
  const std::string name = get_or<std::string>(raw, "hidden_act", "silu", where);
  if (name == "silu" || name == "swish") return;
  throw bad_input("unsupported activation: hidden_act is '{}'", name)
      .where("file", where)
      .hint("supported: silu");
}

void check_plain_weights(const Json& raw, const std::string& where) {
  const auto it = raw.find("quantization_config");
  if (it == raw.end() || it->is_null()) return;
  throw bad_input("the weights are quantised (quantization_config)")
      .where("file", where)
      .hint("give the checkpoint in float32, float16 or bfloat16");
}

// eos_token_id is a number, a list of numbers or null.
std::vector<int64_t> token_ids(const Json& raw, const std::string& key, const std::string& where) {
  const auto it = raw.find(key);
  if (it == raw.end() || it->is_null()) return {};
  if (it->is_number_integer()) return {it->get<int64_t>()};
  std::vector<int64_t> ids;
  const bool list = it->is_array();
  if (list) {
    for (const Json& item : *it) {
      if (item.is_number_integer()) ids.push_back(item.get<int64_t>());
    }
  }
  if (list && ids.size() == it->size()) return ids;
  throw bad_input("'{}' must be a token id or a list of them, got {}", key, it->dump())
      .where("file", where);
}

// The object with the rope settings: transformers 5 calls it rope_parameters, 4 rope_scaling.
Json rope_section(const Json& raw, const std::string& where) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto it = raw.find(key);
    if (it == raw.end() || it->is_null()) continue;
    if (!it->is_object()) {
      throw bad_input("'{}' must be an object, got {}", key, it->dump()).where("file", where);
    }
    for (const Json& item : *it) {
      if (!item.is_object()) continue;
      throw bad_input("unsupported position encoding: '{}' differs by layer type", key)
          .where("file", where);
    }
    return *it;
  }
  return Json::object();
}

double rope_theta(const Json& raw, const Json& section, const std::string& where) {
  const double outside = get_or<double>(raw, "rope_theta", 0.0, where);
  const double inside = get_or<double>(section, "rope_theta", outside, where);
  // A file that says two things is read differently by different programs: never guess.
  if (outside != 0.0 && inside != outside) {
    throw bad_input("two different values of rope_theta: {} and {} (rope_parameters)", outside,
                    inside)
        .where("file", where);
  }
  const double theta = inside == 0.0 ? RopeConfig().theta : inside;
  if (!(theta > 0.0))
    throw bad_input("'rope_theta' must be positive, got {}", theta).where("file", where);
  return theta;
}

void read_llama3(const Json& raw, const Json& section, int64_t context, const std::string& where,
                 RopeConfig& rope) {
  rope.low_freq_factor = require<double>(section, "low_freq_factor", where);
  rope.high_freq_factor = require<double>(section, "high_freq_factor", where);
  const char* key = "original_max_position_embeddings";
  rope.original_context = size_or(section, key, size_or(raw, key, context, where), where);
  if (rope.low_freq_factor > 0 && rope.low_freq_factor < rope.high_freq_factor) return;
  throw bad_input("rope scaling: low_freq_factor {} must be positive and below high_freq_factor {}",
                  rope.low_freq_factor, rope.high_freq_factor)
      .where("file", where);
}

RopeConfig read_rope(const Json& raw, int64_t context, const std::string& where) {
  const Json section = rope_section(raw, where);
  RopeConfig rope;
  rope.theta = rope_theta(raw, section, where);
  rope.type = get_or<std::string>(section, "rope_type",
                                  get_or<std::string>(section, "type", "default", where), where);
  if (rope.type != "default" && rope.type != "linear" && rope.type != "llama3") {
    throw bad_input("unsupported rope type '{}'", rope.type)
        .where("file", where)
        .hint("supported: default, linear, llama3");
  }
  const double partial =
      get_or<double>(section, "partial_rotary_factor",
                     get_or<double>(raw, "partial_rotary_factor", 1.0, where), where);
  if (partial != 1.0) {
    throw bad_input(
        "unsupported: rotary positions on a part of the head (partial_rotary_factor {})", partial)
        .where("file", where);
  }
  if (rope.type == "default") return rope;
  rope.factor = require<double>(section, "factor", where);
  if (!(rope.factor > 0.0)) {
    throw bad_input("rope scaling: 'factor' must be positive, got {}", rope.factor)
        .where("file", where);
  }
  if (rope.type == "llama3") read_llama3(raw, section, context, where, rope);
  return rope;
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

// The halves that a layer lacks.
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

// How one layer differs from the keys beside `per_layer_config`.
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
      throw bad_input("unsupported: '{}' differs by layer", key)
          .where("file", where)
          .hint("supported: num_attention_heads, num_key_value_heads, intermediate_size, skip");
    }
  }
  check_groups(shape, where);
  if (layer.contains("skip")) skip_halves(layer["skip"], shape, where);
}

// transformers' own way to say that layers differ (5.14 and later); the modelling code that we
// write reads it in all versions. Keys are layer numbers, with or without leading zeros.
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

}  // namespace

ModelConfig parse_config(const Json& raw, const std::string& where) {
  if (!raw.is_object()) throw bad_input("the config is not a JSON object").where("file", where);
  ModelConfig config;
  config.family = &find_family(raw, where);
  check_activation(raw, where);
  check_plain_weights(raw, where);
  config.hidden = size_of(raw, "hidden_size", where);
  config.vocab = size_of(raw, "vocab_size", where);
  config.context = size_or(raw, "max_position_embeddings", 2048, where);
  config.norm_eps = get_or<double>(raw, "rms_norm_eps", 1e-6, where);
  config.rope = read_rope(raw, config.context, where);
  config.tied_embedding = get_or<bool>(raw, "tie_word_embeddings", false, where);
  config.attention_bias = get_or<bool>(raw, "attention_bias", false, where);
  config.mlp_bias = get_or<bool>(raw, "mlp_bias", false, where);
  config.output_bias = get_or<bool>(raw, "o_proj_bias", false, where);
  config.down_bias = get_or<bool>(raw, "down_proj_bias", false, where);
  const std::vector<int64_t> bos = token_ids(raw, "bos_token_id", where);
  if (!bos.empty()) config.bos = bos.front();
  config.eos = token_ids(raw, "eos_token_id", where);
  const int64_t num_layers = size_of(raw, "num_hidden_layers", where);
  if (num_layers > 100000) {
    throw bad_input("'num_hidden_layers' is {}: not a plausible config", num_layers)
        .where("file", where);
  }
  config.layers.assign(static_cast<size_t>(num_layers), read_shape(raw, config, where));
  read_per_layer(raw, where, config);
  config.raw = raw;
  config.family->read_config(raw, where, config);
  return config;
}

}  // namespace mop
