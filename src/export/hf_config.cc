// export/hf_config.cc -- config.json, derived from the model and from nothing else.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "export/hf_writer.h"

namespace mop {
namespace {

std::string describe(const LayerShape& shape) {
  return fmt::format("{} heads, {} KV heads, head size {}, MLP width {}", shape.heads,
                     shape.kv_heads, shape.head_dim, shape.mlp);
}

// The stock readers have one size for all layers, and none of a half that is missing.
const LayerShape& uniform_shape(const Model& model) {
  const auto& layers = model.config().layers;
  if (layers.empty()) throw bad_input("a model without layers cannot be written");
  const auto other =
      std::ranges::find_if(layers, [&](const LayerShape& s) { return s != layers[0]; });
  if (other != layers.end()) {
    throw bad_input("the layers differ in size, which a plain Hugging Face config cannot express")
        .where("layer 0", describe(layers[0]))
        .where(fmt::format("layer {}", other - layers.begin()), describe(*other))
        .hint("remove as many units from each layer");
  }
  if (layers[0].heads == 0 || layers[0].mlp == 0) {
    throw bad_input("the layers have no {}, which a plain Hugging Face config cannot express",
                    layers[0].heads == 0 ? "attention" : "MLP");
  }
  return layers[0];
}

bool breaks_llama_rule(const ModelConfig& config) {
  const int64_t heads = config.layers.at(0).heads;
  return config.family->model_type == "llama" && heads > 0 && config.hidden % heads != 0;
}

bool can_be_mistral(const ModelConfig& config) {
  return !config.attention_bias && !config.mlp_bias;
}

// Both spellings: transformers 4 reads rope_theta and rope_scaling, 5 reads rope_parameters; who
// knows only one would fall back to theta 10000 without a word. Keys we do not know stay.
void write_rope(const RopeConfig& rope, Json& config) {
  Json section = Json::object();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (config.contains(key) && config[key].is_object()) section = config[key];
  }
  section.erase("rope_theta");
  section.erase("type");
  section["rope_type"] = rope.type;
  if (rope.type != "default") section["factor"] = rope.factor;
  if (rope.type == "llama3") {
    section["low_freq_factor"] = rope.low_freq_factor;
    section["high_freq_factor"] = rope.high_freq_factor;
    section["original_max_position_embeddings"] = rope.original_context;
  }
  config["rope_theta"] = rope.theta;
  config["rope_scaling"] = rope.type == "default" ? Json(nullptr) : section;
  section["rope_theta"] = rope.theta;
  config["rope_parameters"] = section;
}

// Lists with an entry a layer (layer_types and whatever else there is) follow the layers that are
// left.
void cut_lists(const Model& model, Json& config) {
  const size_t num_source = model.source_config().layers.size();
  for (auto& [key, value] : config.items()) {
    const bool per_layer = value.is_array() && value.size() == num_source &&
                           key != "architectures" && !key.ends_with("token_id");
    if (!per_layer) continue;
    Json kept = Json::array();
    for (const Layer& layer : model.layers())
      kept.push_back(value[static_cast<size_t>(layer.source)]);
    value = kept;
  }
}

// Qwen's files say from which layer on attention has a window; transformers 5 wants it layer by
// layer.
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

// As the source says; as its tensors are when it does not.
std::string stored_dtype(const Model& model, const Json& raw) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (raw.contains(key) && raw[key].is_string()) return raw[key];
  }
  const GlobalTensor& embedding = *global_tensors(model.source_config()).front();
  return dtype_name(model.checkpoint().entry(std::string(embedding.name)).dtype);
}

}  // namespace

Json hf_config(const Model& model) {
  const LayerShape& shape = uniform_shape(model);
  const ModelConfig& sizes = model.config();
  Json config = sizes.raw;
  cut_lists(model, config);
  config["num_hidden_layers"] = model.num_layers();
  config["num_attention_heads"] = shape.heads;
  config["num_key_value_heads"] = shape.kv_heads;
  config["head_dim"] = shape.head_dim;
  config["intermediate_size"] = shape.mlp;
  write_rope(sizes.rope, config);
  write_windows(sizes, config);
  const std::string dtype = stored_dtype(model, sizes.raw);
  config["torch_dtype"] = dtype;
  config["dtype"] = dtype;
  if (breaks_llama_rule(model.config()) && can_be_mistral(model.config())) {
    config["model_type"] = "mistral";
    config["architectures"] = {"MistralForCausalLM"};
    config["sliding_window"] = nullptr;
    // Or transformers takes a large vocabulary for one of Mistral's with a wrong pattern, and
    // warns.
    config["transformers_version"] = "5.0.0";
  }
  return config;
}

std::string reader_note(const ModelConfig& config) {
  const LayerShape& shape = config.layers.at(0);
  if (config.family->model_type == "qwen2" && shape.heads * shape.head_dim != config.hidden) {
    return "the heads no longer add up to the hidden size: loads in transformers 4.48 and later";
  }
  if (!breaks_llama_rule(config)) return {};
  const std::string rule = fmt::format(
      "transformers 5 refuses a LLaMA whose hidden size ({}) is not a multiple of its heads ({})",
      config.hidden, shape.heads);
  if (!can_be_mistral(config)) {
    return rule + ": this checkpoint loads in transformers 4.45 to 4.x only";
  }
  return rule + fmt::format(
                    ": written with model_type \"mistral\", which computes the same and loads in "
                    "{} (with a tokenizer.json made from tokenizer.model where there was none)",
                    config.rope.type == "default"
                        ? "4.45 and later"
                        : "4.48 and later; before, its rope scaling is ignored");
}

}  // namespace mop
