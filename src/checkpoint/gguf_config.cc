// checkpoint/gguf_config.cc -- metadata of a GGUF model -> config.json.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/gguf_architecture_keys.h"
#include "checkpoint/gguf_checkpoint.h"
#include "checkpoint/gguf_keys.h"

namespace mop {
namespace {

const GgufArchitecture& architecture_of(const GgufFile& file) {
  const std::string name = file.text("general.architecture");
  std::string known;
  for (const GgufArchitecture& row : gguf_architectures()) {
    if (row.name == name) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw bad_input("unknown architecture '{}'", name)
      .where("file", file.path().string())
      .hint("known: " + known);
}

struct Layers {
  std::vector<int64_t> heads, kv_heads, mlp;
};

// The first layer that has both halves names the sizes beside the differences.
size_t common_layer(const Layers& layers) {
  for (size_t i = 0; i < layers.heads.size(); ++i) {
    if (layers.heads[i] > 0 && layers.kv_heads[i] > 0 && layers.mlp[i] > 0) return i;
  }
  throw bad_input("no layer has both attention and an MLP");
}

Json differences(const Layers& layers, size_t common) {
  Json all = Json::object();
  for (size_t i = 0; i < layers.heads.size(); ++i) {
    Json own = Json::object(), skip = Json::array();
    if (layers.heads[i] == 0) {
      skip.push_back("attention");
    } else {
      if (layers.heads[i] != layers.heads[common]) own["num_attention_heads"] = layers.heads[i];
      if (layers.kv_heads[i] != layers.kv_heads[common]) {
        own["num_key_value_heads"] = layers.kv_heads[i];
      }
    }
    if (layers.mlp[i] == 0) {
      skip.push_back("mlp");
    } else if (layers.mlp[i] != layers.mlp[common]) {
      own["intermediate_size"] = layers.mlp[i];
    }
    if (!skip.empty()) own["skip"] = skip;
    if (!own.empty()) all[std::to_string(i)] = own;
  }
  return all;
}

// Of queries times keys; 0 stands for the usual one.
void check_attention_scale(const GgufArchitectureKeys& keys, int64_t head_dim) {
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  const double given = keys.number_or("attention.scale", 0);
  if (given == 0 || std::fabs(given / scale - 1) < 1e-5) return;
  throw bad_input("'{}' is {}: supported is 1 / sqrt(head_dim) = {}", keys.name("attention.scale"),
                  given, scale);
}

int64_t head_dim_of(const GgufArchitectureKeys& keys, int64_t heads) {
  const int64_t hidden = keys.integer("embedding_length");
  const int64_t head_dim = keys.integer_or("attention.key_length", hidden / heads);
  if (head_dim >= 1) return head_dim;
  if (keys.has("attention.key_length")) {
    throw bad_input("'{}' is {}: a head has at least one channel",
                    keys.name("attention.key_length"), head_dim);
  }
  throw bad_input("'{}' is {}: too few for {} heads", keys.name("embedding_length"), hidden, heads);
}

void put_layers(const GgufArchitectureKeys& keys, Json& config) {
  const int64_t count = keys.integer("block_count");
  if (count < 1 || count > 100000) {
    throw bad_input("'{}' is {}: not a plausible number", keys.name("block_count"), count);
  }
  const auto num_layers = static_cast<size_t>(count);
  Layers layers;
  layers.heads = keys.by_layer("attention.head_count", num_layers);
  layers.kv_heads = keys.has("attention.head_count_kv")
                        ? keys.by_layer("attention.head_count_kv", num_layers)
                        : layers.heads;
  layers.mlp = keys.by_layer("feed_forward_length", num_layers);
  const size_t common = common_layer(layers);
  config["num_hidden_layers"] = num_layers;
  config["num_attention_heads"] = layers.heads[common];
  config["num_key_value_heads"] = layers.kv_heads[common];
  config["intermediate_size"] = layers.mlp[common];
  const int64_t head_dim = head_dim_of(keys, layers.heads[common]);
  if (keys.integer_or("attention.value_length", head_dim) != head_dim) {
    throw bad_input("heads of {} with values of {} are not supported", head_dim,
                    keys.integer("attention.value_length"));
  }
  check_attention_scale(keys, head_dim);
  config["head_dim"] = head_dim;
  const Json different = differences(layers, common);
  if (!different.empty()) config["per_layer_config"] = different;
}

// Biases are not in the metadata: the tensors tell. A q bias without one on o is Qwen2's way.
void put_biases(const GgufFile& file, Json& config) {
  const auto any = [&](std::string_view suffix) {
    return std::ranges::any_of(file.tensors(),
                               [&](const auto& t) { return t.first.ends_with(suffix); });
  };
  if (config["model_type"] == "llama" && any(".attn_q.bias") && !any(".attn_output.bias")) {
    config["model_type"] = "qwen2";
  }
  config["attention_bias"] = any(".attn_q.bias");
  config["mlp_bias"] = any(".ffn_up.bias");
  if (!any(".attn_q.bias") && any(".attn_output.bias")) config["o_proj_bias"] = true;
  if (config["model_type"] == "qwen2" && any(".attn_output.bias")) config["o_proj_bias"] = true;
  if (!any(".ffn_up.bias") && any(".ffn_down.bias")) config["down_proj_bias"] = true;
}

// The dtype of most of the weights.
std::string main_dtype(const GgufFile& file) {
  std::map<DType, int64_t> values;
  for (const auto& [name, tensor] : file.tensors()) {
    values[file.dtype(tensor)] += c10::multiply_integers(tensor.shape);
  }
  const auto most = std::ranges::max_element(values, {}, [](const auto& v) { return v.second; });
  return most == values.end() ? "float32" : dtype_name(most->first);
}

int64_t vocabulary_of(const GgufFile& file) {
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.size() != 2) {
    throw bad_input("there is no tensor 'token_embd.weight' of two axes");
  }
  return embedding->second.shape[0];
}

// Several tokens may end a text: of a turn, of a message.
void put_special_tokens(const GgufFile& file, Json& config) {
  const auto id_of = [&](std::string_view name) -> std::optional<int64_t> {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    if (!file.has(key)) return std::nullopt;
    return file.integer(key);
  };
  if (const auto bos = id_of("bos")) config["bos_token_id"] = *bos;
  if (const auto padding = id_of("padding")) config["pad_token_id"] = *padding;
  std::vector<int64_t> ends;
  for (const char* name : {"eos", "eot", "eom"}) {
    const auto id = id_of(name);
    if (id && std::ranges::find(ends, *id) == ends.end()) ends.push_back(*id);
  }
  if (ends.size() == 1) config["eos_token_id"] = ends.front();
  if (ends.size() > 1) config["eos_token_id"] = ends;
}

Json make_config(const GgufFile& file, const GgufArchitecture& architecture) {
  const GgufArchitectureKeys keys(file, architecture.name);
  if (keys.integer_or("expert_count", 0) > 0) {
    throw bad_input("a mixture of {} experts is not supported", keys.integer("expert_count"));
  }
  if (file.has("split.count") && file.integer("split.count") > 1) {
    throw bad_input("one of the {} files that a model was split into", file.integer("split.count"))
        .hint("llama-gguf-split --merge makes one file of them");
  }
  if (keys.has("attention.causal") && keys.integer("attention.causal") == 0) {
    throw bad_input("a model whose attention is not causal is not supported");
  }
  refuse_gguf_keys(file);
  Json config = {{"model_type", architecture.model_type}, {"hidden_act", "silu"}};
  config["vocab_size"] = vocabulary_of(file);
  config["hidden_size"] = keys.integer("embedding_length");
  put_layers(keys, config);
  config["max_position_embeddings"] = keys.integer("context_length");
  config["rms_norm_eps"] = keys.number("attention.layer_norm_rms_epsilon");
  put_gguf_rope(file, keys, config);
  config["tie_word_embeddings"] = !file.tensors().contains("output.weight");
  put_biases(file, config);
  put_special_tokens(file, config);
  config["torch_dtype"] = main_dtype(file);
  return config;
}

}  // namespace

Json gguf_config(const GgufFile& file) {
  const GgufArchitecture& architecture = architecture_of(file);
  try {
    return make_config(file, architecture);
  } catch (Error& e) {
    const bool placed = std::string_view(e.what()).find("  file:") != std::string_view::npos;
    if (placed) throw;
    throw std::move(e).where("file", file.path().string());
  }
}

}  // namespace mop
