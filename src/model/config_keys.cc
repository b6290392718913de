// model/config_keys.cc
#include "model/config_keys.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace mop {
namespace {

using enum Fate;
constexpr std::string_view kGeneration = "a setting of generation: see generation_config.json";
constexpr std::string_view kEncoder = "for models with an encoder";
constexpr std::string_view kOutput = "return format of Python calls";
constexpr std::string_view kClassifier = "for classifiers, whose tensors are refused";

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
    {"per_layer_config", kHonoured, "sizes that differ per layer"},
    {"max_position_embeddings", kHonoured, "the context; the start of dynamic rope scaling"},
    {"original_max_position_embeddings", kHonoured, "the context before rope scaling"},
    {"rms_norm_eps", kHonoured, "epsilon of every norm"},
    {"rope_theta", kHonoured, "the base of the rotary positions"},
    {"rope_scaling", kHonoured, "rotary scaling, transformers 4's spelling; takes precedence"},
    {"rope_parameters", kHonoured, "rotary scaling, transformers 5's spelling"},
    {"partial_rotary_factor", kRefused, "positions on a part of the head (values other than 1)"},
    {"tie_word_embeddings", kHonoured, "the head is the embedding, unless another head is stored"},
    {"attention_bias", kHonoured, "biases of q, k, v and o (LLaMA, Qwen3)"},
    {"mlp_bias", kHonoured, "biases of the MLP (LLaMA)"},
    {"o_proj_bias", kHonoured, "bias of o_proj only; written by this program"},
    {"down_proj_bias", kHonoured, "bias of down_proj only; written by this program"},
    {"sliding_window", kHonoured, "Mistral's window; Qwen's with use_sliding_window"},
    {"use_sliding_window", kHonoured, "whether Qwen has a window"},
    {"max_window_layers", kHonoured, "the first Qwen layer with a window"},
    {"layer_types", kHonoured, "which Qwen layers have a window"},
    {"hidden_act", kRefused, "any activation other than silu"},
    {"quantization_config", kRefused, "quantised weights"},
    {"block_configs", kRefused, "layers of other kinds (DeciLM)"},
    {"pruned_heads", kRefused, "heads to remove while loading"},
    {"is_encoder_decoder", kRefused, "a model with an encoder"},
    {"add_cross_attention", kRefused, "a model that attends to an encoder"},
    {"bos_token_id", kHonoured, "passed to other readers; the tokenizer adds the token"},
    {"eos_token_id", kHonoured, "ends generation, unless generation_config.json is there"},
    {"torch_dtype", kHonoured, "dtype of written weights"},
    {"dtype", kHonoured, "the same in transformers 5"},
    {"initializer_range", kHonoured, "standard deviation of random weights"},
    {"auto_map", kIgnored, "custom code in the folder is never run; reported in a note"},
    {"pad_token_id", kIgnored, "sequences are packed without padding"},
    {"pretraining_tp", kIgnored, "splits products; same result"},
    {"attention_dropout", kIgnored, "dropout in training; recovery does not use it"},
    {"chunk_size_feed_forward", kIgnored, "splits the MLP; same result"},
    {"use_cache", kIgnored, "generation always uses a cache"},
    {"transformers_version", kIgnored, "version of the writer"},
    {"tokenizer_class", kIgnored, "the tokenizer's own files are used"},
    {"sep_token_id", kIgnored, "for other kinds of models"},
    {"is_decoder", kIgnored, "all supported families are decoders"},
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
    {"tf_legacy_loss", kIgnored, "for TensorFlow"},
    {"use_bfloat16", kIgnored, "for TPUs"},
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
    {"allow_global_per_layer_attribute_access", kIgnored, "access to per_layer_config in Python"},
    {"serialize_explicit_per_layer_config", kIgnored,
     "serialisation of per_layer_config in Python"},
    {"_*", kIgnored, "private to the writer (its name, its kernels)"},
};

bool is_false(const Json& value) { return value == false; }
bool is_empty(const Json& value) { return value.empty(); }
bool never(const Json&) { return false; }
bool is_silu(const Json& value) { return value == "silu" || value == "swish"; }

struct Refusal {
  const char* key;
  bool (*allowed)(const Json& value);  // null is always allowed
  const char* what;
  const char* hint;
};

constexpr Refusal kRefusals[] = {
    {"hidden_act", is_silu, "unsupported activation", "supported: silu"},
    {"quantization_config", never, "the weights are quantised",
     "give the checkpoint in float32, float16 or bfloat16"},
    {"block_configs", is_empty, "layers of other kinds than LLaMA's are not supported",
     "known model types: mop list families"},
    {"pruned_heads", is_empty, "heads to be removed while loading are not supported",
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
    if (it == raw.end() || it->is_null() || refusal.allowed(*it)) continue;
    const std::string value = it->is_string() ? it->get<std::string>() : it->dump();
    throw bad_input("{}: {} is '{}'", refusal.what, refusal.key, value)
        .where("file", where)
        .hint(refusal.hint);
  }
}

std::optional<DType> dtype_of_weights(const Json& raw, const std::string& where) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    const auto name = get_or<std::string>(raw, key, "", where);
    if (name.empty()) continue;
    try {
      return dtype_from_name(name);
    } catch (const Error& e) {
      throw bad_input("{}: {}", key, e.message())
          .where("file", where)
          .hint("the weights are float32, float16 or bfloat16");
    }
  }
  return std::nullopt;
}

}  // namespace mop
