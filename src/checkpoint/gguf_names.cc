// checkpoint/gguf_names.cc
#include "checkpoint/gguf_names.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <charconv>

namespace mop {
namespace {

constexpr std::array<GgufArchitecture, 4> kArchitectures = {{{"llama", "llama", true, false},
                                                             {"deci", "llama", true, true},
                                                             {"qwen2", "qwen2", false, false},
                                                             {"qwen3", "qwen3", false, false}}};

constexpr std::array<GgufTensorName, 3> kGlobals = {
    {{"model.embed_tokens.weight", "token_embd.weight"},
     {"model.norm.weight", "output_norm.weight"},
     {"lm_head.weight", "output.weight"}}};

constexpr std::array<GgufTensorName, 18> kLayerTensors = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight", HeadRows::kQuery},
    {"self_attn.q_proj.bias", "attn_q.bias", HeadRows::kQuery},
    {"self_attn.k_proj.weight", "attn_k.weight", HeadRows::kKey},
    {"self_attn.k_proj.bias", "attn_k.bias", HeadRows::kKey},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.gate_proj.bias", "ffn_gate.bias"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.up_proj.bias", "ffn_up.bias"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.down_proj.bias", "ffn_down.bias"},
}};

constexpr std::string_view kHfPrefix = "model.layers.";
constexpr std::string_view kGgufPrefix = "blk.";

std::optional<GgufPlace> find_place(std::string_view name, std::string_view prefix,
                                    std::string_view GgufTensorName::*member) {
  for (const GgufTensorName& row : kGlobals) {
    if (row.*member == name) return GgufPlace{&row, -1};
  }
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  int64_t layer = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  if (error != std::errc() || layer < 0 || end == name.data() + name.size() || *end != '.') {
    return std::nullopt;
  }
  name.remove_prefix(static_cast<size_t>(end - name.data()) + 1);
  for (const GgufTensorName& row : kLayerTensors) {
    if (row.*member == name) return GgufPlace{&row, layer};
  }
  return std::nullopt;
}

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() { return kArchitectures; }

std::string GgufPlace::hf_name() const {
  return layer < 0 ? std::string(row->hf) : fmt::format("{}{}.{}", kHfPrefix, layer, row->hf);
}

std::string GgufPlace::gguf_name() const {
  return layer < 0 ? std::string(row->gguf) : fmt::format("{}{}.{}", kGgufPrefix, layer, row->gguf);
}

std::optional<GgufPlace> place_of_hf(std::string_view name) {
  return find_place(name, kHfPrefix, &GgufTensorName::hf);
}
std::optional<GgufPlace> place_of_gguf(std::string_view name) {
  return find_place(name, kGgufPrefix, &GgufTensorName::gguf);
}

at::Tensor interleave_heads(const at::Tensor& tensor, int64_t heads) {
  const int64_t half = tensor.size(0) / heads / 2;
  return tensor.reshape({heads, 2, half, -1}).transpose(1, 2).reshape(tensor.sizes());
}

at::Tensor separate_heads(const at::Tensor& tensor, int64_t heads) {
  const int64_t half = tensor.size(0) / heads / 2;
  return tensor.reshape({heads, half, 2, -1}).transpose(1, 2).reshape(tensor.sizes());
}

}  // namespace mop
