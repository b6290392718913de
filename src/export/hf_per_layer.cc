// export/hf_per_layer.cc
#include "export/hf_per_layer.h"

#include <fmt/format.h>

#include <algorithm>

#include "export/hf_composite.h"
#include "export/hf_writer.h"
#include "model/composite.h"

namespace mop {
namespace {

// Written for LLaMA; the other families have equivalent classes.
constexpr std::string_view kLlamaCode =
#include "export/per_layer_llama.py.inc"
    ;

bool is_whole(const LayerShape& shape) { return shape.heads > 0 && shape.mlp > 0; }

bool layers_differ(const ModelConfig& config) {
  return std::ranges::any_of(config.layers, [&](const LayerShape& shape) {
    return shape != config.layers[0] || !is_whole(shape);
  });
}

Json overrides_of(const LayerShape& shape, const LayerShape& common) {
  Json own = Json::object();
  Json skip = Json::array();
  if (shape.heads == 0) {
    skip.push_back("attention");
  } else {
    if (shape.heads != common.heads) own["num_attention_heads"] = shape.heads;
    if (shape.kv_heads != common.kv_heads) own["num_key_value_heads"] = shape.kv_heads;
  }
  if (shape.mlp == 0) {
    skip.push_back("mlp");
  } else if (shape.mlp != common.mlp) {
    own["intermediate_size"] = shape.mlp;
  }
  if (!skip.empty()) own["skip"] = skip;
  return own;
}

}  // namespace

bool breaks_llama_rule(const ModelConfig& config) {
  const int64_t heads = config.layers.at(0).heads;
  return config.family->model_type == "llama" && heads > 0 && config.hidden % heads != 0;
}

bool language_model_needs_code(const ModelConfig& config) {
  return layers_differ(config) || config.output_bias || config.down_bias ||
         (breaks_llama_rule(config) && (config.attention_bias || config.mlp_bias));
}

bool tower_needs_code(const ModelConfig& config) {
  if (config.composite == nullptr) return false;
  const VisionConfig& vision = config.composite->vision;
  return std::ranges::any_of(vision.shapes, [&](const LayerShape& shape) {
    return shape.heads * shape.head_dim != vision.hidden || shape.mlp != vision.shapes[0].mlp;
  });
}

bool needs_own_code(const ModelConfig& config) {
  return language_model_needs_code(config) || tower_needs_code(config);
}

LayerShape common_shape(const ModelConfig& config) {
  LayerShape common = {1, 1, config.layers.at(0).head_dim, 1};
  const auto fits = [&](const LayerShape& shape) {
    return config.family->model_type != "llama" || config.hidden % shape.heads == 0;
  };
  for (const LayerShape& shape : config.layers) {
    common.mlp = std::max(common.mlp, shape.mlp);
    if (shape.heads <= common.heads || !fits(shape)) continue;
    common.heads = shape.heads;
    common.kv_heads = shape.kv_heads;
  }
  return common;
}

bool is_narrow_qwen2(const ModelConfig& config) {
  const LayerShape& shape = config.layers.at(0);
  return config.family->model_type == "qwen2" && !language_model_needs_code(config) &&
         shape.heads * shape.head_dim != config.hidden;
}

ModellingCode narrow_qwen2_code(const Family& family) {
  ModellingCode code = per_layer_code(family);
  const std::string own = fmt::format("{}{}", kPerLayerPrefix, family.model_type);
  code.file = fmt::format("modeling_narrow_{}.py", family.model_type);
  code.text = replaced(code.text, fmt::format("model_type = \"{}\"", own),
                       fmt::format("model_type = \"{}\"", family.model_type));
  code.before = "4.48";
  return code;
}

void write_narrow_qwen2(const ModelConfig& sizes, Json& config) {
  if (!is_narrow_qwen2(sizes) || sizes.sliding_window) return;
  config["auto_map"] = auto_map(narrow_qwen2_code(*sizes.family),
                                "PerLayer" + class_prefix(sizes.family->architecture));
}

std::string narrow_qwen2_note(const ModelConfig& config) {
  const std::string note =
      "the heads do not add up to the hidden size: loads in transformers 4.48 and later";
  if (config.sliding_window) return note;
  return fmt::format("{}, in 4.45 to 4.47 with trust_remote_code=True ({})", note,
                     narrow_qwen2_code(*config.family).file);
}

void write_per_layer(const ModelConfig& sizes, Json& config) {
  const std::string prefix = "PerLayer" + class_prefix(sizes.family->architecture);
  config["model_type"] = fmt::format("{}{}", kPerLayerPrefix, sizes.family->model_type);
  config["architectures"] = {prefix + "ForCausalLM"};
  config["auto_map"] = auto_map(per_layer_code(*sizes.family), prefix);
  if (sizes.output_bias) config["o_proj_bias"] = true;
  if (sizes.down_bias) config["down_proj_bias"] = true;
  // For transformers 5.14 and later: its checks read the common sizes, its layers do not.
  config["allow_global_per_layer_attribute_access"] = true;
  const LayerShape common = common_shape(sizes);
  Json layers = Json::object();
  for (size_t i = 0; i < sizes.layers.size(); ++i) {
    Json own = overrides_of(sizes.layers[i], common);
    if (!own.empty()) layers[std::to_string(i)] = std::move(own);
  }
  config["per_layer_config"] = layers;
}

void forget_per_layer(const ModelConfig& sizes, Json& config) {
  for (const char* key : {"per_layer_config", "allow_global_per_layer_attribute_access",
                          "serialize_explicit_per_layer_config", "o_proj_bias", "down_proj_bias"}) {
    config.erase(key);
  }
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return;
  if (!type->get<std::string>().starts_with(kPerLayerPrefix)) return;
  config["model_type"] = sizes.family->model_type;
  config["architectures"] = {std::string(sizes.family->architecture)};
}

std::string for_family(std::string text, const Family& family) {
  text = replaced(std::move(text), "llama", family.model_type);
  return replaced(std::move(text), "Llama", class_prefix(family.architecture));
}

ModellingCode per_layer_code(const Family& family) {
  return {.file = fmt::format("modeling_per_layer_{}.py", family.model_type),
          .text = for_family(std::string(kLlamaCode), family),
          .before = ""};
}

std::string own_code_note(const ModelConfig& config) {
  const Composite* composite = config.composite.get();
  const ModellingCode code = composite == nullptr
                                 ? per_layer_code(*config.family)
                                 : per_layer_composite_code(*config.family, *composite->kind);
  const std::string why =
      layers_differ(config) ? "the layers differ in size"
      : tower_needs_code(config) && !language_model_needs_code(config)
          ? "the vision tower's layers have fewer heads than transformers derives, or differ in "
            "size"
      : breaks_llama_rule(config)
          ? fmt::format(
                "transformers 5 does not load a LLaMA whose hidden size ({}) is not a multiple of "
                "its heads ({})",
                config.hidden, config.layers[0].heads)
          : "o_proj or down_proj has a bias that transformers' own class does not support";
  return fmt::format(
      "{}: written with modelling code ({}), which transformers {} and later, 5 included, loads "
      "with trust_remote_code=True{}; stock classes do not, and llama.cpp reads its own format "
      "(mop export)",
      why, code.file, earliest_transformers(config),
      composite == nullptr ? ", and so does vLLM by its Transformers backend" : "");
}

}  // namespace mop
