// export/hf_config.cc -- config.json, derived from the model only.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "export/hf_composite.h"
#include "export/hf_per_layer.h"
#include "export/hf_scaled_mistral.h"
#include "export/hf_writer.h"
#include "model/composite.h"
#include "model/config_keys.h"
#include "model/rope_config.h"

namespace mop {
namespace {

// Writes values that may be missing in the section and that readers then look up in different
// places.
void write_original_context(const RopeConfig& rope, Json& section, Json& config) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (rope.type != "llama3" && rope.type != "yarn" && rope.type != "longrope") return;
  section[kKey] = rope.original_context;
  // transformers 4 reads longrope's at the top level; 5 prefers any value at the top level.
  if (rope.type == "longrope" || config.contains(kKey)) config[kKey] = rope.original_context;
  if (rope.type != "longrope") return;
  // transformers 4 derives it from the contexts, 5 from the factor.
  section["attention_factor"] = rope.attention_factor;
}

// Writes both spellings: transformers 4 reads rope_theta and rope_scaling, 5 reads rope_parameters;
// a reader that knows only one would silently use theta 10000. Unknown keys are kept.
void write_rope(const RopeConfig& rope, Json& config) {
  Json section = rope_section(config, "config.json");
  section.erase("rope_theta");
  section.erase("type");
  section["rope_type"] = rope.type;
  if (rope.type != "default") section["factor"] = rope.factor;
  write_original_context(rope, section, config);
  config["rope_theta"] = rope.theta;
  config["rope_scaling"] = rope.type == "default" ? Json(nullptr) : section;
  section["rope_theta"] = rope.theta;
  config["rope_parameters"] = section;
}

// Makes the defaults explicit, so that readers do not depend on their own.
void write_class_defaults(const ModelConfig& sizes, Json& config) {
  const Json defaults = class_defaults(*sizes.family);
  for (const auto& [key, value] : defaults.items()) {
    if (!config.contains(key) && !value.is_null()) config[key] = value;
  }
  config["tie_word_embeddings"] = sizes.tied_embedding;
}

// Per-layer lists (such as layer_types) are reduced to the remaining layers.
void cut_lists(const Model& model, Json& config) {
  const size_t num_source = model.source_config().layers.size();
  for (auto& [key, value] : config.items()) {
    const KeyFate* fate = find_fate(config_keys(), key);
    const bool per_layer = value.is_array() && value.size() == num_source &&
                           key != "architectures" && !key.ends_with("token_id") &&
                           (fate == nullptr || fate->fate != Fate::kIgnored);
    if (!per_layer) continue;
    Json kept = Json::array();
    for (const Layer& layer : model.layers())
      kept.push_back(value[static_cast<size_t>(layer.source)]);
    value = kept;
  }
}

// Qwen's files give the first layer with a window; transformers 5 needs a list per layer.
void write_windows(const ModelConfig& model, Json& config) {
  if (!config.contains("max_window_layers")) return;
  if (!model.sliding_window || model.windowed.empty()) {
    config["max_window_layers"] = model.layers.size();
    return;
  }
  const auto first = std::ranges::find(model.windowed, true);
  config["max_window_layers"] = first - model.windowed.begin();
  Json types = Json::array();
  for (const bool windowed : model.windowed) {
    types.push_back(windowed ? "sliding_attention" : "full_attention");
  }
  config["layer_types"] = types;
}

// The dtype given in the source's config (the complete one before its section), else that of its
// tensors.
std::string stored_dtype(const Model& model) {
  const ModelConfig& config = model.source_config();
  for (const Json* raw : {config.composite ? &config.composite->raw : &config.raw, &config.raw}) {
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (raw->contains(key) && (*raw)[key].is_string()) return (*raw)[key];
    }
  }
  const GlobalTensor& embedding = *global_tensors(model.source_config()).front();
  return dtype_name(model.checkpoint().entry(std::string(embedding.name)).dtype);
}

Json language_model_config(const Model& model) {
  const ModelConfig& sizes = model.config();
  Json config = sizes.raw;
  forget_per_layer(sizes, config);
  config.erase("auto_map");                 // refers to code in the source's folder
  if (!config.contains("architectures")) {  // missing in GGUF files and required by vLLM
    config["architectures"] = {std::string(sizes.family->architecture)};
  }
  cut_lists(model, config);
  write_class_defaults(sizes, config);
  const LayerShape shape = language_model_needs_code(sizes) ? common_shape(sizes) : sizes.layers[0];
  config["num_hidden_layers"] = model.num_layers();
  if (sizes.hidden != model.source_config().hidden) {
    config["hidden_size"] = sizes.hidden;
    config["rms_norm_eps"] = sizes.norm_eps;
  }
  config["num_attention_heads"] = shape.heads;
  config["num_key_value_heads"] = shape.kv_heads;
  config["head_dim"] = shape.head_dim;
  config["intermediate_size"] = shape.mlp;
  write_rope(sizes.rope, config);
  write_windows(sizes, config);
  const std::string dtype = stored_dtype(model);
  config["torch_dtype"] = dtype;
  config["dtype"] = dtype;
  if (language_model_needs_code(sizes)) {
    write_per_layer(sizes, config);
  } else if (breaks_llama_rule(sizes)) {
    config["model_type"] = "mistral";
    config["architectures"] = {"MistralForCausalLM"};
    config["sliding_window"] = nullptr;
    // Otherwise transformers takes a large vocabulary for a known faulty Mistral tokenizer and
    // warns.
    config["transformers_version"] = "5.0.0";
  }
  write_scaled_mistral(sizes, config);
  write_narrow_qwen2(sizes, config);
  return config;
}

}  // namespace

Json hf_config(const Model& model) {
  if (model.config().layers.empty()) throw bad_input("a model without layers cannot be written");
  Json config = language_model_config(model);
  return model.config().composite ? composite_config(model, std::move(config)) : config;
}

std::string_view earliest_transformers(const ModelConfig& config) {
  if (config.composite && needs_own_code(config)) return "4.52";
  const std::string_view type = config.family->model_type;
  if (type == "qwen3") return "4.51";
  // Earlier versions apply Qwen2's window only with flash attention.
  if (is_narrow_qwen2(config) || (type == "qwen2" && config.sliding_window)) return "4.48";
  const bool scaled_layers = type == "mistral" && config.rope.type != "default";
  return scaled_layers || is_scaled_mistral(config) ? "4.48" : "4.45";
}

std::string reader_note(const ModelConfig& config) {
  const LayerShape& shape = config.layers.at(0);
  if (needs_own_code(config)) return own_code_note(config);
  if (is_narrow_qwen2(config)) return narrow_qwen2_note(config);
  const std::string scaled = scaled_mistral_note(config);
  if (!breaks_llama_rule(config)) return scaled;
  return fmt::format(
      "transformers 5 does not load a LLaMA whose hidden size ({}) is not a multiple of its heads "
      "({}): "
      "written with model_type \"mistral\", which is equivalent and loads in {} and later "
      "(with a tokenizer.json made from tokenizer.model if there was none){}{}",
      config.hidden, shape.heads, earliest_transformers(config), scaled.empty() ? "" : "; ",
      scaled);
}

}  // namespace mop
