// checkpoint/gguf_rope.cc -- rotary positions of a GGUF model -> `rope_theta` and `rope_scaling` of
// config.json, as llama.cpp computes with them.
#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "checkpoint/gguf_architecture_keys.h"
#include "checkpoint/gguf_checkpoint.h"
#include "checkpoint/gguf_rope_names.h"

namespace mop {
namespace {

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
  if (factors.numel() != head_dim / 2) {  // nothing is made by a size that the file merely claims
    throw bad_input("'{}' holds {} factors for heads of {}", kRopeFactors, factors.numel(),
                    head_dim);
  }
  for (const Llama3Rope& rope : candidates) {
    const at::Tensor made = llama3_rope_factors(rope.factor, rope.low, rope.high, rope.context,
                                                config["rope_theta"].get<double>(), head_dim);
    if (!at::allclose(made, factors.flatten(), 1e-4)) continue;
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", rope.factor},
                              {"low_freq_factor", rope.low},
                              {"high_freq_factor", rope.high},
                              {"original_max_position_embeddings", int64_t(rope.context)}};
    return;
  }
  throw bad_input("'{}' holds factors that are not Llama 3's: not supported", kRopeFactors);
}

double factor_of(const GgufArchitectureKeys& keys) {
  const bool old = !keys.has("rope.scaling.factor");
  const double factor = keys.number_or(old ? "rope.scale_linear" : "rope.scaling.factor", 0);
  return factor == 0 ? 1 : factor;
}

// What multiplies cos and sin beside what the type itself does.
double attention_of(const GgufArchitectureKeys& keys) {
  return keys.number_or("rope.scaling.attn_factor", 1);
}

void no_attention_factor(const GgufArchitectureKeys& keys) {
  if (attention_of(keys) == 1) return;
  throw bad_input("'{}' is {}: not supported without yarn or longrope",
                  keys.name("rope.scaling.attn_factor"), attention_of(keys));
}

int64_t original_context(const GgufArchitectureKeys& keys, const Json& config) {
  return keys.integer_or("rope.scaling.original_context_length",
                         config["max_position_embeddings"].get<int64_t>());
}

Json linear(const GgufArchitectureKeys& keys) {
  no_attention_factor(keys);
  const double factor = factor_of(keys);
  return factor == 1 ? Json() : Json{{"rope_type", "linear"}, {"factor", factor}};
}

// arXiv 2309.00071. The factor of the attention is 0.1 ln(factor) + 1 times what the file says.
Json yarn(const GgufArchitectureKeys& keys, const Json& config) {
  const double factor = factor_of(keys);
  const double mix = keys.number_or("rope.scaling.yarn_ext_factor", 1);
  if (mix != 1 && mix != -1) {
    throw bad_input("'{}' is {}: supported is 1", keys.name("rope.scaling.yarn_ext_factor"), mix);
  }
  Json scaling = {{"rope_type", "yarn"},
                  {"factor", factor},
                  {"original_max_position_embeddings", original_context(keys, config)}};
  const double given = keys.number_or("rope.scaling.yarn_attn_factor", 1);
  const double attention = attention_of(keys) * (given == -1 ? 1 : given);
  if (attention != 1) scaling["attention_factor"] = attention * (0.1 * std::log(factor) + 1);
  for (const char* key : {"beta_fast", "beta_slow"}) {
    const std::string name = fmt::format("rope.scaling.yarn_{}", key);
    if (keys.has(name) && keys.number(name) != -1) scaling[key] = keys.number(name);
  }
  return scaling;
}

std::vector<double> factors_of(const GgufFile& file, std::string_view name) {
  const auto tensor = file.tensors().find(std::string(name));
  if (tensor == file.tensors().end()) {
    throw bad_input("longrope without the tensor '{}'", name);
  }
  const at::Tensor values = file.tensor(tensor->second).to(at::kFloat).contiguous().flatten();
  const auto* begin = values.const_data_ptr<float>();
  std::vector<double> factors;
  for (const float* value = begin; value != begin + values.numel(); ++value) {
    factors.push_back(std::stod(fmt::format("{}", *value)));
  }
  return factors;
}

// arXiv 2402.13753. llama.cpp takes no factor of the attention that the file does not say.
Json longrope(const GgufFile& file, const GgufArchitectureKeys& keys, const Json& config) {
  if (factor_of(keys) != 1) {
    throw bad_input("longrope with '{}' of {} is not supported", keys.name("rope.scaling.factor"),
                    factor_of(keys));
  }
  return {{"rope_type", "longrope"},
          {"short_factor", factors_of(file, kShortRopeFactors)},
          {"long_factor", factors_of(file, kLongRopeFactors)},
          {"original_max_position_embeddings", original_context(keys, config)},
          {"attention_factor", attention_of(keys)}};
}

Json scaling_of(const GgufFile& file, const GgufArchitectureKeys& keys, const Json& config) {
  const bool two_lists = file.tensors().contains(std::string(kLongRopeFactors)) ||
                         file.tensors().contains(std::string(kShortRopeFactors));
  // A factor without a type is linear; Phi-3's converter writes longrope's lists without one.
  const std::string type = keys.text_or("rope.scaling.type", two_lists ? "longrope" : "linear");
  if (two_lists && type != "longrope") {
    throw bad_input("'{}' beside rope scaling of type '{}' is not supported", kLongRopeFactors,
                    type);
  }
  if (type == "none" || type.empty()) {
    no_attention_factor(keys);
    return nullptr;
  }
  if (type == "linear") return linear(keys);
  if (type == "yarn") return yarn(keys, config);
  if (type == "longrope") return longrope(file, keys, config);
  throw bad_input("unsupported rope scaling '{}'", type)
      .hint("supported: none, linear, yarn, longrope");
}

}  // namespace

void put_gguf_rope(const GgufFile& file, const GgufArchitectureKeys& keys, Json& config) {
  config["rope_theta"] = keys.number_or("rope.freq_base", 10000);
  const int64_t head_dim = config["head_dim"].get<int64_t>();
  if (keys.integer_or("rope.dimension_count", head_dim) != head_dim) {
    throw bad_input("rotary positions on {} of {} dimensions of a head are not supported",
                    keys.integer("rope.dimension_count"), head_dim);
  }
  config["rope_scaling"] = scaling_of(file, keys, config);
  const auto factors = file.tensors().find(std::string(kRopeFactors));
  if (factors == file.tensors().end()) return;
  if (!config["rope_scaling"].is_null()) {
    throw bad_input("'{}' beside rope scaling of type {} is not supported", kRopeFactors,
                    config["rope_scaling"]["rope_type"].dump());
  }
  put_llama3_rope(file, factors->second, config);
}

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

}  // namespace mop
