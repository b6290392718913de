// model/families/qwen3.cc -- Qwen3: query and key heads are normalised.
#include "model/families/families.h"

namespace mop {
namespace {

void read_config(const Json& raw, const std::string& where, ModelConfig& config) {
  config.mlp_bias = false;
  read_qwen_window(raw, where, config);
}

}  // namespace

Family qwen3_family() {
  using R = Role;
  using A = Axis;
  using H = Half;
  return {
      .name = "qwen3",
      .model_type = "qwen3",
      .architecture = "Qwen3ForCausalLM",
      .tokenizer_class = "Qwen2Tokenizer",
      .layer_prefix = "model.layers.",
      // clang-format off
      .layer_tensors = {
          {R::kInputNorm, "input_layernorm.weight", {A::kHidden}, H::kAttention, always},
          {R::kQuery, "self_attn.q_proj.weight", {A::kQuery, A::kHidden}, H::kAttention, always},
          {R::kQueryBias, "self_attn.q_proj.bias", {A::kQuery}, H::kAttention, attention_bias},
          {R::kKey, "self_attn.k_proj.weight", {A::kKeyValue, A::kHidden}, H::kAttention, always},
          {R::kKeyBias, "self_attn.k_proj.bias", {A::kKeyValue}, H::kAttention, attention_bias},
          {R::kValue, "self_attn.v_proj.weight", {A::kKeyValue, A::kHidden}, H::kAttention, always},
          {R::kValueBias, "self_attn.v_proj.bias", {A::kKeyValue}, H::kAttention, attention_bias},
          {R::kOutput, "self_attn.o_proj.weight", {A::kHidden, A::kQuery}, H::kAttention, always},
          {R::kOutputBias, "self_attn.o_proj.bias", {A::kHidden}, H::kAttention, attention_or_output_bias},
          {R::kQueryNorm, "self_attn.q_norm.weight", {A::kHeadDim}, H::kAttention, always},
          {R::kKeyNorm, "self_attn.k_norm.weight", {A::kHeadDim}, H::kAttention, always},
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
            "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "attention_bias": false,
            "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28})",
      .read_config = read_config,
  };
}

}  // namespace mop
