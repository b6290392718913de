// checkpoint/gguf_config.cc -- metadata of a GGUF model -> config.json.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "checkpoint/gguf_checkpoint.h"
#include "checkpoint/gguf_rope_names.h"

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

// The keys of one architecture.
class Keys {
 public:
  Keys(const GgufFile& file, std::string_view prefix) : file_(file), prefix_(prefix) {}
  std::string name(std::string_view key) const { return fmt::format("{}.{}", prefix_, key); }
  bool has(std::string_view key) const { return file_.has(name(key)); }
  int64_t integer(std::string_view key) const { return file_.integer(name(key)); }
  int64_t integer_or(std::string_view key, int64_t fallback) const {
    return has(key) ? integer(key) : fallback;
  }
  // A float32 as the decimal it was written from: 1e-05, not 9.99999974737875e-06.
  double number(std::string_view key) const {
    return std::stod(fmt::format("{}", static_cast<float>(file_.number(name(key)))));
  }
  // One number for all layers, or a list.
  std::vector<int64_t> by_layer(std::string_view key, size_t layers) const;

 private:
  const GgufFile& file_;
  std::string_view prefix_;
};

std::vector<int64_t> Keys::by_layer(std::string_view key, size_t layers) const {
  std::vector<int64_t> values;
  try {
    values.assign(layers, integer(key));
    return values;
  } catch (const Error&) {
    values = file_.integers(name(key));
  }
  if (values.size() == layers) return values;
  throw bad_input("'{}' has {} entries for {} layers", name(key), values.size(), layers)
      .where("file", file_.path().string());
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

void put_layers(const Keys& keys, Json& config) {
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
  const int64_t head_dim = keys.integer_or("attention.key_length",
                                           keys.integer("embedding_length") / layers.heads[common]);
  if (keys.integer_or("attention.value_length", head_dim) != head_dim) {
    throw bad_input("heads of {} with values of {} are not supported", head_dim,
                    keys.integer("attention.value_length"));
  }
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

struct Llama3Rope {
  double factor, low, high, context;
};

// A file has the factors and not the numbers they came from: those we wrote ourselves, or the ones
// of the released models, whichever give these factors.
void put_llama3_rope(const GgufFile& file, const GgufTensor& stored, Json& config) {
  const at::Tensor factors = file.tensor(stored).to(at::kFloat);
  std::vector<Llama3Rope> candidates;
  if (file.has("mop.rope.factor")) {
    candidates.push_back({file.number("mop.rope.factor"), file.number("mop.rope.low_freq_factor"),
                          file.number("mop.rope.high_freq_factor"),
                          static_cast<double>(file.integer("mop.rope.original_context"))});
  }
  const double largest = factors.max().item<double>();
  for (const double context : {8192.0, config["max_position_embeddings"].get<double>()}) {
    candidates.push_back({largest, 1.0, 4.0, context});
  }
  const int64_t head_dim = config["head_dim"].get<int64_t>();
  for (const Llama3Rope& rope : candidates) {
    const at::Tensor made = llama3_rope_factors(rope.factor, rope.low, rope.high, rope.context,
                                                config["rope_theta"].get<double>(), head_dim);
    if (made.numel() != factors.numel() || !at::allclose(made, factors.flatten(), 1e-4)) continue;
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", rope.factor},
                              {"low_freq_factor", rope.low},
                              {"high_freq_factor", rope.high},
                              {"original_max_position_embeddings", int64_t(rope.context)}};
    return;
  }
  throw bad_input("'{}' holds factors that are not Llama 3's: not supported", kRopeFactors);
}

// As llama.cpp takes it: a factor without a type is linear, and has an older name.
std::string scaling_type(const GgufFile& file, const Keys& keys) {
  const std::string type =
      keys.has("rope.scaling.type") ? file.text(keys.name("rope.scaling.type")) : "linear";
  for (const char* known : {"none", "linear", "yarn", "longrope"}) {
    if (type == known) return type;
  }
  if (type == "") return "none";
  throw bad_input("unsupported rope scaling '{}'", type)
      .hint("supported: none, linear, yarn, longrope");
}

double scaling_factor(const Keys& keys) {
  const std::string_view key =
      keys.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  const double factor = keys.has(key) ? keys.number(key) : 0;
  return factor == 0 ? 1 : factor;
}

double number_or(const Keys& keys, std::string_view key, double fallback) {
  return keys.has(key) ? keys.number(key) : fallback;
}

// The numbers of yarn that llama.cpp lets a file change and transformers has no key for, or
// another.
void check_yarn(const Keys& keys) {
  for (const auto& [key, usual] : {std::pair{"rope.scaling.yarn_ext_factor", 1.0},
                                   std::pair{"rope.scaling.yarn_attn_factor", 1.0},
                                   std::pair{"rope.scaling.yarn_log_multiplier", 0.0},
                                   std::pair{"rope.scaling.yarn_beta_fast", 32.0},
                                   std::pair{"rope.scaling.yarn_beta_slow", 1.0}}) {
    const double value = number_or(keys, key, usual);
    if (value == usual) continue;
    throw bad_input("'{}' is {}: not supported", keys.name(key), value);
  }
}

// llama.cpp multiplies what yarn's authors suggest.
Json yarn_scaling(const Keys& keys) {
  check_yarn(keys);
  const double factor = scaling_factor(keys);
  Json section = {
      {"rope_type", "yarn"},
      {"factor", factor},
      {"original_max_position_embeddings",
       keys.integer_or("rope.scaling.original_context_length", keys.integer("context_length"))}};
  const double own = number_or(keys, "rope.scaling.attn_factor", 1);
  const double usual = factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0;
  if (own != 1) section["attention_factor"] = own * usual;
  return section;
}

std::vector<double> rope_factors(const GgufFile& file, std::string_view name) {
  const auto found = file.tensors().find(std::string(name));
  if (found == file.tensors().end()) throw bad_input("there is no tensor '{}'", name);
  const at::Tensor values = file.tensor(found->second).to(at::kDouble).flatten().contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

Json longrope_scaling(const GgufFile& file, const Keys& keys, Json& config) {
  const int64_t original =
      keys.integer_or("rope.scaling.original_context_length", keys.integer("context_length"));
  config["original_max_position_embeddings"] = original;
  const double ratio =
      static_cast<double>(keys.integer("context_length")) / static_cast<double>(original);
  return {{"rope_type", "longrope"},
          {"factor", ratio},
          {"original_max_position_embeddings", original},
          {"attention_factor", number_or(keys, "rope.scaling.attn_factor", 1)},
          {"short_factor", rope_factors(file, kShortRopeFactors)},
          {"long_factor", rope_factors(file, kLongRopeFactors)}};
}

void put_scaling(const GgufFile& file, const Keys& keys, Json& config) {
  const std::string type = scaling_type(file, keys);
  if (type == "yarn") {
    config["rope_scaling"] = yarn_scaling(keys);
    return;
  }
  if (type == "longrope") {
    config["rope_scaling"] = longrope_scaling(file, keys, config);
    return;
  }
  if (number_or(keys, "rope.scaling.attn_factor", 1) != 1) {
    throw bad_input("'{}' is {}: not supported", keys.name("rope.scaling.attn_factor"),
                    keys.number("rope.scaling.attn_factor"));
  }
  const double factor = type == "linear" ? scaling_factor(keys) : 1;
  if (factor != 1) config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", factor}};
}

void put_rope(const GgufFile& file, const Keys& keys, Json& config) {
  config["rope_theta"] = keys.has("rope.freq_base") ? keys.number("rope.freq_base") : 10000.0;
  config["rope_scaling"] = nullptr;
  const int64_t head_dim = config["head_dim"].get<int64_t>();
  if (keys.integer_or("rope.dimension_count", head_dim) != head_dim) {
    throw bad_input("rotary positions on {} of {} dimensions of a head are not supported",
                    keys.integer("rope.dimension_count"), head_dim);
  }
  put_scaling(file, keys, config);
  const auto factors = file.tensors().find(std::string(kRopeFactors));
  if (factors != file.tensors().end()) put_llama3_rope(file, factors->second, config);
}

// The dtype of most of the weights.
std::string main_dtype(const GgufFile& file) {
  std::map<DType, size_t> bytes;
  for (const auto& [name, tensor] : file.tensors()) {
    bytes[ggml_dtype(tensor.type)] += tensor.end - tensor.begin;
  }
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& b) { return b.second; });
  return most == bytes.end() ? "float32" : dtype_name(most->first);
}

int64_t vocabulary_of(const GgufFile& file) {
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.size() != 2) {
    throw bad_input("there is no tensor 'token_embd.weight' of two axes");
  }
  return embedding->second.shape[0];
}

Json make_config(const GgufFile& file, const GgufArchitecture& architecture) {
  const Keys keys(file, architecture.name);
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
  Json config = {{"model_type", architecture.model_type}, {"hidden_act", "silu"}};
  config["vocab_size"] = vocabulary_of(file);
  config["hidden_size"] = keys.integer("embedding_length");
  put_layers(keys, config);
  config["max_position_embeddings"] = keys.integer("context_length");
  config["rms_norm_eps"] = keys.number("attention.layer_norm_rms_epsilon");
  put_rope(file, keys, config);
  config["tie_word_embeddings"] = !file.tensors().contains("output.weight");
  put_biases(file, config);
  for (const char* key : {"bos", "eos"}) {
    const std::string name = fmt::format("tokenizer.ggml.{}_token_id", key);
    if (file.has(name)) config[fmt::format("{}_token_id", key)] = file.integer(name);
  }
  config["torch_dtype"] = main_dtype(file);
  return config;
}

}  // namespace

at::Tensor llama3_rope_factors(double factor, double low, double high, double context, double theta,
                               int64_t head_dim) {
  at::Tensor factors = at::ones({head_dim / 2}, at::kFloat);
  float* out = factors.mutable_data_ptr<float>();
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const double frequency =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double wave = 2 * std::numbers::pi / frequency;
    if (wave < context / high) continue;
    const double smooth = (context / wave - low) / (high - low);
    out[i] =
        static_cast<float>(wave > context / low ? factor : 1 / ((1 - smooth) / factor + smooth));
  }
  return factors;
}

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
