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

// Returns the first layer for which `bad` is true; null = none.
template <typename Bad>
const LayerShape* first(const ModelConfig& config, Bad bad) {
  const auto found = std::ranges::find_if(config.layers, bad);
  return found == config.layers.end() ? nullptr : &*found;
}

std::string transformers_classes(const ModelConfig& config, const ModelConfig*) {
  return reader_note(config);
}

std::string llama_cpp_blocks(const ModelConfig& config, const ModelConfig*) {
  const LayerShape* odd = first(config, [](const LayerShape& s) { return s.mlp % 32 != 0; });
  if (odd == nullptr) return "";
  return fmt::format(
      "an MLP width of {} is not a multiple of 32: llama.cpp's K-quants leave down_proj at 16 "
      "bits, "
      "q4_0, q8_0, int4 and nf4 are not possible, and kernels run at about half speed "
      "(--shape-multiple 32 avoids that)",
      odd->mlp);
}

std::string llama_cpp_head_rows(const ModelConfig& config, const ModelConfig*) {
  const LayerShape* odd =
      first(config, [](const LayerShape& s) { return s.heads * s.head_dim % 32 != 0; });
  if (odd == nullptr) return "";
  return fmt::format(
      "{} heads of {} give rows of {}, not a multiple of 32: llama.cpp cannot quantise to q4_0 or "
      "q8_0 "
      "(--shape-multiple 32 avoids that)",
      odd->heads, odd->head_dim, odd->heads * odd->head_dim);
}

// If the hidden size is not a multiple of 256, most tensors use other types anyway.
std::string llama_cpp_k_quants(const ModelConfig& config, const ModelConfig*) {
  const LayerShape* odd = first(config, [](const LayerShape& s) { return s.mlp % 256 != 0; });
  if (odd == nullptr || config.hidden % 256 != 0) return "";
  return fmt::format(
      "an MLP width of {} is not a multiple of 256: llama.cpp's K-quants store down_proj in a "
      "larger "
      "type (--shape-multiple 256 avoids that)",
      odd->mlp);
}

// Restrictions that the dense model already has are omitted.
std::string llama_cpp_hidden(const ModelConfig& config, const ModelConfig* dense) {
  const auto lost = [&](int64_t multiple) {
    return dense != nullptr && dense->hidden % multiple == 0 && config.hidden % multiple != 0;
  };
  if (lost(32)) {
    return fmt::format(
        "a hidden size of {} is not a multiple of 32: llama.cpp's K-quants leave most matrices at "
        "16 "
        "bits, q4_0 and q8_0 are not possible (hidden.channel_multiple: 32 avoids that)",
        config.hidden);
  }
  if (!lost(256)) return "";
  return fmt::format(
      "a hidden size of {} is not a multiple of 256: llama.cpp's K-quants store most matrices in a "
      "larger type (hidden.channel_multiple: 256 avoids that)",
      config.hidden);
}

std::string vllm_own_classes(const ModelConfig& config, const ModelConfig*) {
  if (!needs_own_code(config)) return "";
  if (first(config, [](const LayerShape& s) { return s.heads == 0; }) != nullptr) {
    return "vLLM does not load a layer without attention";
  }
  return "vLLM's own classes have one size for all layers: it loads this model with "
         "trust_remote_code=True, in its slower Transformers backend";
}

struct Count {
  const char* name;
  int64_t LayerShape::*member;
};
constexpr std::array kDivided = {Count{"heads", &LayerShape::heads},
                                 Count{"KV heads", &LayerShape::kv_heads},
                                 Count{"MLP neurons", &LayerShape::mlp}};

// Heads and widths are divided among the ranks; KV heads fewer than the ranks are replicated.
bool divides(const Count& count, const LayerShape& shape, int64_t ranks) {
  const int64_t units = shape.*count.member;
  const bool copied = count.member == &LayerShape::kv_heads && units > 0 && ranks % units == 0;
  return units % ranks == 0 || copied;
}

// Divisors that the dense model does not have are omitted.
std::string vllm_ranks(const ModelConfig& config, const ModelConfig* dense) {
  if (dense == nullptr || needs_own_code(config)) return "";
  for (const int64_t ranks : {2, 4, 8}) {
    const auto odd_one = [&](const ModelConfig& model, const Count& count) {
      return first(model, [&](const LayerShape& s) { return !divides(count, s, ranks); });
    };
    if (std::ranges::any_of(kDivided, [&](const Count& c) { return odd_one(*dense, c); })) break;
    std::string lost;
    for (const Count& count : kDivided) {
      const LayerShape* now = odd_one(config, count);
      if (now == nullptr) continue;
      lost += fmt::format("{}{} {} (of {})", lost.empty() ? "" : " and ", now->*count.member,
                          count.name, dense->layers[0].*count.member);
    }
    if (lost.empty()) continue;
    return fmt::format(
        "vLLM: {} cannot be divided among {} tensor-parallel ranks, unlike the dense model's", lost,
        ranks);
  }
  return "";
}

std::string vllm_head_dim(const ModelConfig& config, const ModelConfig*) {
  const auto refused = [](const LayerShape& s) { return s.head_dim % 8 != 0 || s.head_dim > 256; };
  const LayerShape* odd = first(config, refused);
  if (odd == nullptr) return "";
  return fmt::format(
      "vLLM (from its source, not tested): its attention kernels do not support a head size of {} "
      "(multiples of 8 up to 256)",
      odd->head_dim);
}

constexpr std::array kRules = {
    ReaderRule{.reader = "transformers",
               .summary = "one size for all layers; 5.x: hidden size a multiple of heads",
               .tried = true,
               .check = transformers_classes},
    ReaderRule{.reader = "llama.cpp",
               .summary = "q4_0, q8_0: MLP width a multiple of 32",
               .tried = true,
               .check = llama_cpp_blocks},
    ReaderRule{.reader = "llama.cpp",
               .summary = "q4_0, q8_0: heads * head_dim a multiple of 32",
               .tried = true,
               .check = llama_cpp_head_rows},
    ReaderRule{.reader = "llama.cpp",
               .summary = "K-quants: MLP width a multiple of 256",
               .tried = true,
               .check = llama_cpp_k_quants},
    ReaderRule{.reader = "llama.cpp",
               .summary = "q4_0, q8_0: hidden size a multiple of 32; K-quants: of 256",
               .tried = false,
               .check = llama_cpp_hidden},
    ReaderRule{.reader = "vLLM",
               .summary = "one size for all layers, or trust_remote_code; attention in each",
               .tried = true,
               .check = vllm_own_classes},
    ReaderRule{.reader = "vLLM",
               .summary = "heads, KV heads and MLP width divide among the ranks",
               .tried = false,
               .check = vllm_ranks},
    ReaderRule{.reader = "vLLM",
               .summary = "head size a multiple of 8 up to 256",
               .tried = false,
               .check = vllm_head_dim},
};

}  // namespace

std::span<const ReaderRule> all_reader_rules() { return kRules; }

std::vector<std::string> reader_warnings(const ModelConfig& config, const ModelConfig* dense) {
  std::vector<std::string> warnings;
  for (const ReaderRule& rule : kRules) {
    std::string text = rule.check(config, dense);
    if (!text.empty()) warnings.push_back(std::move(text));
  }
  return warnings;
}

}  // namespace mop
