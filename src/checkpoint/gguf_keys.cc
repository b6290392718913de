// checkpoint/gguf_keys.cc
#include "checkpoint/gguf_keys.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace mop {
namespace {

constexpr Fate kHonoured = Fate::kHonoured, kRefused = Fate::kRefused, kIgnored = Fate::kIgnored;

constexpr std::string_view kOtherModel = "a part of models of another kind";
constexpr std::string_view kExperts = "a mixture of experts is not supported";
constexpr std::string_view kForInfill = "a prompt for infilling is the caller's";

constexpr KeyFate kKeys[] = {
    {"general.architecture", kHonoured, "the family"},
    {"general.alignment", kHonoured, "where tensors begin"},
    {"general.type", kRefused, "only a file of type 'model' holds one"},
    {"general.quantization_version", kIgnored, "the types of the tensors say it"},
    {"general.file_type", kIgnored, "the types of the tensors say it"},
    {"general.sampling.*", kIgnored, "advice for sampling; generation here is greedy"},
    {"general.*", kIgnored, "who made it, from what, under which licence"},

    {"{arch}.block_count", kHonoured, "num_hidden_layers"},
    {"{arch}.context_length", kHonoured, "max_position_embeddings"},
    {"{arch}.embedding_length", kHonoured, "hidden_size"},
    {"{arch}.feed_forward_length", kHonoured, "intermediate_size, one or a list by layer"},
    {"{arch}.attention.head_count", kHonoured, "num_attention_heads, one or a list by layer"},
    {"{arch}.attention.head_count_kv", kHonoured, "num_key_value_heads, one or a list by layer"},
    {"{arch}.attention.key_length", kHonoured, "head_dim"},
    {"{arch}.attention.value_length", kHonoured, "refused unless it is head_dim"},
    {"{arch}.attention.layer_norm_rms_epsilon", kHonoured, "rms_norm_eps"},
    {"{arch}.attention.causal", kHonoured, "refused unless true"},
    {"{arch}.attention.scale", kHonoured, "refused unless 1 / sqrt(head_dim)"},
    {"{arch}.rope.dimension_count", kHonoured, "refused unless it is head_dim"},
    {"{arch}.rope.freq_base", kHonoured, "rope_theta"},
    {"{arch}.rope.scaling.type", kHonoured, "none, linear, yarn or longrope"},
    {"{arch}.rope.scaling.factor", kHonoured, "factor of linear and yarn"},
    {"{arch}.rope.scaling.attn_factor", kHonoured, "attention_factor"},
    {"{arch}.rope.scaling.original_context_length", kHonoured, "original_max_position_embeddings"},
    {"{arch}.rope.scaling.yarn_attn_factor", kHonoured, "attention_factor"},
    {"{arch}.rope.scaling.yarn_beta_fast", kHonoured, "beta_fast"},
    {"{arch}.rope.scaling.yarn_beta_slow", kHonoured, "beta_slow"},
    {"{arch}.rope.scaling.yarn_ext_factor", kHonoured, "refused unless 1"},
    {"{arch}.rope.scaling.yarn_log_multiplier", kRefused, "DeepSeek's attention has it"},
    {"{arch}.rope.scaling.finetuned", kIgnored, "how it was trained; changes no value"},
    {"{arch}.rope.scaling.alpha", kRefused, "NTK-aware scaling by alpha is not supported"},
    {"{arch}.rope.scale_linear", kHonoured, "an older name of the linear factor"},
    {"{arch}.rope.*", kRefused, "positions of another kind"},
    {"{arch}.vocab_size", kIgnored, "the embedding's rows say it"},
    {"{arch}.tensor_data_layout", kIgnored,
     "a note of old converters; rows lie as the architecture says"},
    {"{arch}.logit_scale", kRefused, "logits that are scaled are not supported"},
    {"{arch}.residual_scale", kRefused, "residuals that are scaled are not supported"},
    {"{arch}.embedding_scale", kRefused, "embeddings that are scaled are not supported"},
    {"{arch}.attn_logit_softcapping", kRefused, "soft-capped attention is not supported"},
    {"{arch}.final_logit_softcapping", kRefused, "soft-capped logits are not supported"},
    {"{arch}.attention.sliding_window", kRefused,
     "llama.cpp has no window for this architecture, the model may have been trained with one"},
    {"{arch}.attention.max_alibi_bias", kRefused, "ALiBi is not supported"},
    {"{arch}.attention.clamp_kqv", kRefused, "clamped q, k and v are not supported"},
    {"{arch}.attention.layer_norm_epsilon", kRefused, "a layer norm with a mean is not supported"},
    {"{arch}.attention.*", kRefused, "attention of another kind"},
    {"{arch}.expert*", kRefused, kExperts},
    {"{arch}.moe_*", kRefused, kExperts},
    {"{arch}.router_logit_softcapping", kRefused, kExperts},
    {"{arch}.interleave_moe_layer_step", kRefused, kExperts},
    {"{arch}.leading_dense_block_count", kRefused, kExperts},
    {"{arch}.use_parallel_residual", kRefused, "attention and MLP side by side are not supported"},
    {"{arch}.nextn_predict_layers", kRefused,
     "layers that predict further tokens are not supported"},
    {"{arch}.pooling_type", kRefused, "an embedding model is not supported"},
    {"{arch}.ssm.*", kRefused, kOtherModel},
    {"{arch}.wkv.*", kRefused, kOtherModel},
    {"{arch}.kda.*", kRefused, kOtherModel},
    {"{arch}.posnet.*", kRefused, kOtherModel},
    {"{arch}.convnext.*", kRefused, kOtherModel},
    {"{arch}.classifier.*", kRefused, kOtherModel},
    {"{arch}.shortconv.*", kRefused, kOtherModel},
    {"{arch}.altup.*", kRefused, kOtherModel},
    {"{arch}.swiglu_clamp_*", kRefused, kOtherModel},
    {"{arch}.embedding_length_*", kRefused, kOtherModel},
    {"{arch}.features_length", kRefused, kOtherModel},
    {"{arch}.n_deepstack_layers", kRefused, kOtherModel},
    {"{arch}.decoder_*", kRefused, kOtherModel},
    {"{arch}.swin_norm", kRefused, kOtherModel},
    {"{arch}.rescale_every_n_layers", kRefused, kOtherModel},
    {"{arch}.time_*", kRefused, kOtherModel},
    {"{arch}.token_shift_count", kRefused, kOtherModel},
    {"{arch}.full_attention_interval", kRefused, kOtherModel},
    {"{arch}.activation_sparsity_scale", kRefused, kOtherModel},
    {"{arch}.dense_2_feat_*", kRefused, "an embedding model is not supported"},
    {"{arch}.dense_3_feat_*", kRefused, "an embedding model is not supported"},

    {"tokenizer.ggml.model", kHonoured, "llama, gpt2 or none"},
    {"tokenizer.ggml.pre", kHonoured, "how text is cut into words"},
    {"tokenizer.ggml.tokens", kHonoured, "the vocabulary"},
    {"tokenizer.ggml.token_type", kHonoured, "special, user-defined, byte and unused tokens"},
    {"tokenizer.ggml.token_type_count", kIgnored, "of BERT's segment embeddings"},
    {"tokenizer.ggml.scores", kHonoured, "which pieces are merged first"},
    {"tokenizer.ggml.merges", kHonoured, "which bytes are merged first"},
    {"tokenizer.ggml.bos_token_id", kHonoured, "bos_token"},
    {"tokenizer.ggml.eos_token_id", kHonoured, "eos_token"},
    {"tokenizer.ggml.eot_token_id", kHonoured, "ends generation, too"},
    {"tokenizer.ggml.eom_token_id", kHonoured, "ends generation, too"},
    {"tokenizer.ggml.unknown_token_id", kHonoured, "unk_token"},
    {"tokenizer.ggml.padding_token_id", kHonoured, "pad_token"},
    {"tokenizer.ggml.seperator_token_id", kIgnored, "causal models have no separator"},
    {"tokenizer.ggml.mask_token_id", kIgnored, "causal models have no mask"},
    {"tokenizer.ggml.cls_token_id", kIgnored, "causal models have no class token"},
    {"tokenizer.ggml.add_bos_token", kHonoured, "whether a text begins with BOS"},
    {"tokenizer.ggml.add_eos_token", kHonoured, "whether a text ends with EOS"},
    {"tokenizer.ggml.add_sep_token", kRefused, "a separator behind a text is not supported"},
    {"tokenizer.ggml.add_space_prefix", kHonoured, "a blank in front of a text"},
    {"tokenizer.ggml.remove_extra_whitespaces", kHonoured, "repeated blanks are one"},
    {"tokenizer.ggml.precompiled_charsmap", kRefused,
     "letters that are normalised are not supported"},
    {"tokenizer.ggml.fim_*", kIgnored, kForInfill},
    {"tokenizer.ggml.prefix_token_id", kIgnored, kForInfill},
    {"tokenizer.ggml.suffix_token_id", kIgnored, kForInfill},
    {"tokenizer.ggml.middle_token_id", kIgnored, kForInfill},
    {"tokenizer.huggingface.json", kIgnored, "the same tokenizer once more"},
    {"tokenizer.rwkv.world", kIgnored, kOtherModel},
    {"tokenizer.chat_template", kHonoured, "the chat template"},
    {"tokenizer.chat_template.*", kIgnored,
     "templates for other uses; the unnamed one is followed"},
    {"tokenizer.chat_templates", kIgnored, "the names of the templates for other uses"},

    {"split.count", kHonoured, "refused when it is more than 1"},
    {"split.*", kIgnored, "which of several files this is"},
    {"mop.rope.*", kHonoured, "the numbers behind Llama 3's rope factors, as mop writes them"},
    {"quantize.imatrix.*", kIgnored, "how the quantiser weighed values"},
    {"imatrix.*", kIgnored, "how the quantiser weighed values"},
    {"adapter.*", kRefused, "an adapter is not a model"},
    {"clip.*", kRefused, "a projector of images is not a language model"},
    {"diffusion.*", kRefused, kOtherModel},
    {"xielu.*", kRefused, kOtherModel},
};

// "llama.block_count" -> "{arch}.block_count".
std::string in_the_table(const std::string& key, const std::string& architecture) {
  if (architecture.empty() || !key.starts_with(architecture + ".")) return key;
  return "{arch}" + key.substr(architecture.size());
}

std::string architecture_of(const GgufFile& file) {
  return file.has("general.architecture") ? file.text("general.architecture") : "";
}

std::string text_of(const GgufValue& value) {
  return std::visit(
      [&](const auto& list) {
        if (value.list || list.empty()) return fmt::format("a list of {}", list.size());
        return fmt::format("{}", list.front());
      },
      value.values);
}

bool is_neutral(const std::string& key, const GgufValue& value) {
  if (key == "general.type") {
    const auto* texts = std::get_if<std::vector<std::string>>(&value.values);
    return texts != nullptr && texts->size() == 1 && texts->front() == "model";
  }
  const bool scale = key.ends_with("scale");
  return std::visit(
      [&](const auto& list) {
        return std::ranges::all_of(list, [&](const auto& entry) {
          if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::string>) {
            return entry.empty();
          } else {
            return entry == 0 || (scale && entry == 1);
          }
        });
      },
      value.values);
}

}  // namespace

const FormatKeys& gguf_keys() {
  static const FormatKeys keys = {"GGUF metadata", kKeys};
  return keys;
}

void refuse_gguf_keys(const GgufFile& file) {
  const std::string architecture = architecture_of(file);
  for (const auto& [key, value] : file.metadata()) {
    const KeyFate* row = find_fate(gguf_keys(), in_the_table(key, architecture));
    if (row == nullptr || row->fate != kRefused || is_neutral(key, value)) continue;
    throw bad_input("'{}' is {}: {}", key, text_of(value), row->why);
  }
}

std::vector<std::string> unknown_gguf_keys(const GgufFile& file) {
  std::vector<std::string> unknown;
  const std::string architecture = architecture_of(file);
  for (const auto& [key, value] : file.metadata()) {
    if (find_fate(gguf_keys(), in_the_table(key, architecture)) == nullptr) unknown.push_back(key);
  }
  return unknown;
}

std::string unknown_gguf_keys_note(const GgufFile& file) {
  const std::vector<std::string> unknown = unknown_gguf_keys(file);
  if (unknown.empty()) return {};
  return fmt::format("{} is not known and not followed: {}", gguf_keys().format,
                     fmt::join(unknown, ", "));
}

}  // namespace mop
