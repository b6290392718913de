// model/families/llama.cc -- LLaMA 1, 2, 3, 3.1, 3.2 and models with the same architecture.
#include "model/families/families.h"

namespace mop {

Family llama_family() {
  using R = Role;
  using A = Axis;
  using H = Half;
  return {
      .name = "llama",
      .model_type = "llama",
      .architecture = "LlamaForCausalLM",
      .tokenizer_class = "LlamaTokenizer",
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
          {R::kMlpNorm, "post_attention_layernorm.weight", {A::kHidden}, H::kMlp, always},
          {R::kGate, "mlp.gate_proj.weight", {A::kMlp, A::kHidden}, H::kMlp, always},
          {R::kGateBias, "mlp.gate_proj.bias", {A::kMlp}, H::kMlp, mlp_bias},
          {R::kUp, "mlp.up_proj.weight", {A::kMlp, A::kHidden}, H::kMlp, always},
          {R::kUpBias, "mlp.up_proj.bias", {A::kMlp}, H::kMlp, mlp_bias},
          {R::kDown, "mlp.down_proj.weight", {A::kHidden, A::kMlp}, H::kMlp, always},
          {R::kDownBias, "mlp.down_proj.bias", {A::kHidden}, H::kMlp, mlp_or_down_bias},
      },
      // clang-format on
      .global_tensors = standard_globals(),
      .class_defaults =
          R"({
            "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": null,
            "head_dim": null, "hidden_act": "silu", "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "attention_bias": false,
            "mlp_bias": false})",
      .read_config = [](const Json&, const std::string&, ModelConfig&) {},
  };
}

}  // namespace mop
