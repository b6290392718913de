// export/reader_rules.cc -- the table of rules. vLLM's are from its loader: vllm/model_executor/
// models/llama.py (heads over tensor-parallel ranks, one size for all layers) and its attention
// backends (head sizes).
#include "export/reader_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "export/hf_per_layer.h"
#include "export/hf_writer.h"

namespace mop {
namespace {

// The first layer of which `bad` is true; null = none.
template <typename Bad>
const LayerShape* first(const ModelConfig& config, Bad bad) {
  const auto found = std::ranges::find_if(config.layers, bad);
  return found == config.layers.end() ? nullptr : &*found;
}

std::string transformers_classes(const ModelConfig& config) { return reader_note(config); }

std::string llama_cpp_blocks(const ModelConfig& config) {
  const LayerShape* odd = first(config, [](const LayerShape& s) { return s.mlp % 32 != 0; });
  if (odd == nullptr) return "";
  return fmt::format(
      "an MLP width of {} is no multiple of 32: llama.cpp cannot quantise it to q8_0, and kernels "
      "run it at about half speed (--shape-multiple 32 avoids that)",
      odd->mlp);
}

std::string llama_cpp_head_rows(const ModelConfig& config) {
  const LayerShape* odd =
      first(config, [](const LayerShape& s) { return s.heads * s.head_dim % 32 != 0; });
  if (odd == nullptr) return "";
  return fmt::format(
      "{} heads of {} make rows of {}, no multiple of 32: llama.cpp cannot quantise o_proj to q8_0 "
      "(--shape-multiple 32 avoids that)",
      odd->heads, odd->head_dim, odd->heads * odd->head_dim);
}

// Where the hidden size is no multiple of 256 most tensors fall back anyway.
std::string llama_cpp_k_quants(const ModelConfig& config) {
  const LayerShape* odd = first(config, [](const LayerShape& s) { return s.mlp % 256 != 0; });
  if (odd == nullptr || config.hidden % 256 != 0) return "";
  return fmt::format(
      "an MLP width of {} is no multiple of 256: llama.cpp's K-quants store down_proj in a larger "
      "type (--shape-multiple 256 avoids that)",
      odd->mlp);
}

std::string vllm_one_size(const ModelConfig& config) {
  if (!needs_own_code(config)) return "";
  return "vLLM (rules only, not run): its classes have one size for all layers and no extra "
         "biases: "
         "it refuses this model";
}

std::string vllm_ranks(const ModelConfig& config) {
  // Heads and widths are divided among the ranks; fewer KV heads than ranks are copied.
  const auto splits = [](const LayerShape& s, int64_t ranks) {
    const bool kv = s.kv_heads == 0 || s.kv_heads % ranks == 0 || ranks % s.kv_heads == 0;
    return s.heads % ranks == 0 && s.mlp % ranks == 0 && kv;
  };
  const LayerShape* odd = first(config, [&](const LayerShape& s) { return !splits(s, 2); });
  if (odd == nullptr || needs_own_code(config)) return "";
  return fmt::format(
      "vLLM (rules only, not run): {} heads, {} KV heads and an MLP width of {} cannot be divided "
      "among 2 tensor-parallel ranks: one GPU only",
      odd->heads, odd->kv_heads, odd->mlp);
}

std::string vllm_head_dim(const ModelConfig& config) {
  const auto refused = [](const LayerShape& s) { return s.head_dim % 8 != 0 || s.head_dim > 256; };
  const LayerShape* odd = first(config, refused);
  if (odd == nullptr) return "";
  return fmt::format(
      "vLLM (rules only, not run): a head size of {} is not one of its attention kernels' "
      "(multiples of 8 up to 256)",
      odd->head_dim);
}

constexpr std::array kRules = {
    ReaderRule{"transformers", "one size for all layers; 5.x: hidden size a multiple of heads",
               true, transformers_classes},
    ReaderRule{"llama.cpp", "q8_0: MLP width a multiple of 32", true, llama_cpp_blocks},
    ReaderRule{"llama.cpp", "q8_0: heads * head_dim a multiple of 32", true, llama_cpp_head_rows},
    ReaderRule{"llama.cpp", "K-quants: MLP width a multiple of 256", true, llama_cpp_k_quants},
    ReaderRule{"vLLM", "one size for all layers", false, vllm_one_size},
    ReaderRule{"vLLM", "heads, KV heads and MLP width divide among the ranks", false, vllm_ranks},
    ReaderRule{"vLLM", "head size a multiple of 8 up to 256", false, vllm_head_dim},
};

}  // namespace

std::span<const ReaderRule> all_reader_rules() { return kRules; }

std::vector<std::string> reader_warnings(const ModelConfig& config) {
  std::vector<std::string> warnings;
  for (const ReaderRule& rule : kRules) {
    std::string text = rule.check(config);
    if (!text.empty()) warnings.push_back(std::move(text));
  }
  return warnings;
}

}  // namespace mop
