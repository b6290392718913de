// model/families/mistral.cc -- Mistral: LLaMA without biases, with a sliding window.
#include "base/error.h"
#include "model/families/families.h"

namespace mop {
namespace {

// The window covers every layer; null means none.
void read_config(const Json& raw, const std::string& where, ModelConfig& config) {
  config.attention_bias = config.mlp_bias = false;
  if (raw["sliding_window"].is_null()) return;
  config.sliding_window = require<int64_t>(raw, "sliding_window", where);
  if (*config.sliding_window < 1) {
    throw bad_input("'sliding_window' must be positive, got {}", *config.sliding_window)
        .where("file", where);
  }
  config.windowed.assign(config.layers.size(), true);
}

}  // namespace

Family mistral_family() {
  using R = Role;
  using A = Axis;
  using H = Half;
  return {
      .name = "mistral",
      .model_type = "mistral",
      .architecture = "MistralForCausalLM",
      .tokenizer_class = "LlamaTokenizer",
      .layer_prefix = "model.layers.",
      // clang-format off
      .layer_tensors = {
          {R::kInputNorm, "input_layernorm.weight", {A::kHidden}, H::kAttention, always},
          {R::kQuery, "self_attn.q_proj.weight", {A::kQuery, A::kHidden}, H::kAttention, always},
          {R::kKey, "self_attn.k_proj.weight", {A::kKeyValue, A::kHidden}, H::kAttention, always},
          {R::kValue, "self_attn.v_proj.weight", {A::kKeyValue, A::kHidden}, H::kAttention, always},
          {R::kOutput, "self_attn.o_proj.weight", {A::kHidden, A::kQuery}, H::kAttention, always},
          {R::kOutputBias, "self_attn.o_proj.bias", {A::kHidden}, H::kAttention, output_bias},
          {R::kMlpNorm, "post_attention_layernorm.weight", {A::kHidden}, H::kMlp, always},
          {R::kGate, "mlp.gate_proj.weight", {A::kMlp, A::kHidden}, H::kMlp, always},
          {R::kUp, "mlp.up_proj.weight", {A::kMlp, A::kHidden}, H::kMlp, always},
          {R::kDown, "mlp.down_proj.weight", {A::kHidden, A::kMlp}, H::kMlp, always},
          {R::kDownBias, "mlp.down_proj.bias", {A::kHidden}, H::kMlp, down_bias},
      },
      // clang-format on
      .global_tensors = standard_globals(),
      .class_defaults =
          R"({
            "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": null, "hidden_act": "silu", "max_position_embeddings": 131072,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "sliding_window": 4096})",
      .read_config = read_config,
  };
}

}  // namespace mop
