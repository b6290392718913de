// model/config_keys.cc
#include "model/config_keys.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace mop {
namespace {

using enum Fate;
constexpr std::string_view kGeneration = "a setting of generation: see generation_config.json";
constexpr std::string_view kEncoder = "of models with an encoder";
constexpr std::string_view kOutput = "what a call in Python returns";
constexpr std::string_view kClassifier = "of classifiers, whose tensors are refused";

constexpr KeyFate kKeys[] = {
    {"model_type", kHonoured, "the family"},
    {"architectures", kHonoured, "the family, where model_type is missing"},
    {"vocab_size", kHonoured, "a size"},
    {"hidden_size", kHonoured, "a size"},
    {"intermediate_size", kHonoured, "a size"},
    {"num_hidden_layers", kHonoured, "a size"},
    {"num_attention_heads", kHonoured, "a size"},
    {"num_key_value_heads", kHonoured, "a size"},
    {"head_dim", kHonoured, "a size"},
    {"per_layer_config", kHonoured, "how single layers differ from these sizes"},
    {"max_position_embeddings", kHonoured, "the context; what dynamic rope starts from"},
    {"original_max_position_embeddings", kHonoured, "what rope scaling starts from"},
    {"rms_norm_eps", kHonoured, "in every norm"},
    {"rope_theta", kHonoured, "the base of the rotary positions"},
    {"rope_scaling", kHonoured, "rotary scaling, in transformers 4's spelling; comes first"},
    {"rope_parameters", kHonoured, "rotary scaling, in transformers 5's spelling"},
    {"partial_rotary_factor", kRefused, "positions on a part of the head (other than 1)"},
    {"tie_word_embeddings", kHonoured, "the head is the embedding, unless another head is stored"},
    {"attention_bias", kHonoured, "biases of q, k, v and o (LLaMA, Qwen3)"},
    {"mlp_bias", kHonoured, "biases of the MLP (LLaMA)"},
    {"o_proj_bias", kHonoured, "a bias of o_proj alone: written by this program"},
    {"down_proj_bias", kHonoured, "a bias of down_proj alone: written by this program"},
    {"sliding_window", kHonoured, "Mistral's and, with use_sliding_window, Qwen's"},
    {"use_sliding_window", kHonoured, "Qwen's"},
    {"max_window_layers", kHonoured, "the first of Qwen's layers with a window"},
    {"layer_types", kHonoured, "which of Qwen's layers have a window"},
    {"hidden_act", kRefused, "any activation but silu"},
    {"quantization_config", kRefused, "weights that are quantised"},
    {"block_configs", kRefused, "layers of other kinds (DeciLM)"},
    {"pruned_heads", kRefused, "heads to remove while loading"},
    {"is_encoder_decoder", kRefused, "a model with an encoder"},
    {"add_cross_attention", kRefused, "a model that attends to an encoder"},
    {"bos_token_id", kHonoured, "told to other readers; the tokenizer adds it"},
    {"eos_token_id", kHonoured, "ends generation, unless generation_config.json is there"},
    {"torch_dtype", kHonoured, "the type of the written weights"},
    {"dtype", kHonoured, "the same in transformers 5"},
    {"initializer_range", kHonoured, "the deviation of a fresh model's weights"},
    {"auto_map", kIgnored, "code of the folder is never run; a note says so"},
    {"pad_token_id", kIgnored, "sequences are packed without padding"},
    {"pretraining_tp", kIgnored, "splits products into parts whose sum is the same"},
    {"attention_dropout", kIgnored, "training recovers without it, everything else has none"},
    {"chunk_size_feed_forward", kIgnored, "computes the same in parts"},
    {"use_cache", kIgnored, "generation always has a cache"},
    {"transformers_version", kIgnored, "who wrote the file"},
    {"tokenizer_class", kIgnored, "the tokenizer's own files say more"},
    {"sep_token_id", kIgnored, "of other kinds of models"},
    {"is_decoder", kIgnored, "these families are decoders, whatever it says"},
    {"cross_attention_hidden_size", kIgnored, kEncoder},
    {"tie_encoder_decoder", kIgnored, kEncoder},
    {"decoder_start_token_id", kIgnored, kEncoder},
    {"id2label", kIgnored, kClassifier},
    {"label2id", kIgnored, kClassifier},
    {"problem_type", kIgnored, kClassifier},
    {"finetuning_task", kIgnored, kClassifier},
    {"return_dict", kIgnored, kOutput},
    {"return_dict_in_generate", kIgnored, kOutput},
    {"output_attentions", kIgnored, kOutput},
    {"output_hidden_states", kIgnored, kOutput},
    {"output_scores", kIgnored, kOutput},
    {"torchscript", kIgnored, kOutput},
    {"tf_legacy_loss", kIgnored, "TensorFlow's"},
    {"use_bfloat16", kIgnored, "TPUs'"},
    {"task_specific_params", kIgnored, kGeneration},
    {"prefix", kIgnored, kGeneration},
    {"bad_words_ids", kIgnored, kGeneration},
    {"begin_suppress_tokens", kIgnored, kGeneration},
    {"suppress_tokens", kIgnored, kGeneration},
    {"diversity_penalty", kIgnored, kGeneration},
    {"do_sample", kIgnored, kGeneration},
    {"early_stopping", kIgnored, kGeneration},
    {"encoder_no_repeat_ngram_size", kIgnored, kGeneration},
    {"exponential_decay_length_penalty", kIgnored, kGeneration},
    {"forced_bos_token_id", kIgnored, kGeneration},
    {"forced_eos_token_id", kIgnored, kGeneration},
    {"length_penalty", kIgnored, kGeneration},
    {"max_length", kIgnored, kGeneration},
    {"min_length", kIgnored, kGeneration},
    {"no_repeat_ngram_size", kIgnored, kGeneration},
    {"num_beam_groups", kIgnored, kGeneration},
    {"num_beams", kIgnored, kGeneration},
    {"num_return_sequences", kIgnored, kGeneration},
    {"remove_invalid_values", kIgnored, kGeneration},
    {"repetition_penalty", kIgnored, kGeneration},
    {"temperature", kIgnored, kGeneration},
    {"top_k", kIgnored, kGeneration},
    {"top_p", kIgnored, kGeneration},
    {"typical_p", kIgnored, kGeneration},
    {"allow_global_per_layer_attribute_access", kIgnored, "how Python reads per_layer_config"},
    {"serialize_explicit_per_layer_config", kIgnored, "how Python writes per_layer_config"},
    {"_*", kIgnored, "private to who wrote the file (its name, its kernels)"},
};

bool is_false(const Json& value) { return value == false; }
bool is_empty(const Json& value) { return value.empty(); }
bool never(const Json&) { return false; }
bool is_silu(const Json& value) { return value == "silu" || value == "swish"; }

struct Refusal {
  const char* key;
  bool (*harmless)(const Json& value);  // besides null
  const char* what;
  const char* hint;
};

constexpr Refusal kRefusals[] = {
    {"hidden_act", is_silu, "unsupported activation", "supported: silu"},
    {"quantization_config", never, "the weights are quantised",
     "give the checkpoint in float32, float16 or bfloat16"},
    {"block_configs", is_empty, "layers of other kinds than LLaMA's",
     "known model types: mop list families"},
    {"pruned_heads", is_empty, "heads that are to be removed while loading",
     "remove them first: load the model with transformers and save it"},
    {"is_encoder_decoder", is_false, "a model with an encoder is not supported",
     "known model types: mop list families"},
    {"add_cross_attention", is_false, "a model that attends to an encoder is not supported",
     "known model types: mop list families"},
};

}  // namespace

const FormatKeys& config_keys() {
  static const FormatKeys keys{"config.json", kKeys};
  return keys;
}

void check_refused_keys(const Json& raw, const std::string& where) {
  for (const Refusal& refusal : kRefusals) {
    const auto it = raw.find(refusal.key);
    if (it == raw.end() || it->is_null() || refusal.harmless(*it)) continue;
    const std::string value = it->is_string() ? it->get<std::string>() : it->dump();
    throw bad_input("{}: {} is '{}'", refusal.what, refusal.key, value)
        .where("file", where)
        .hint(refusal.hint);
  }
}

}  // namespace mop
