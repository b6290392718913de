// model/families/families.h -- the built-in families and what their tables share. A new family is
// one file beside this one, one line here and one in family.cc.
#pragma once
#include "model/family.h"

namespace mop {

Family llama_family();
Family mistral_family();
Family qwen2_family();
Family qwen3_family();

/// Not a decoder's and so in no table of families: see `tower_family`.
Family clip_tower_family();

/// Conditions of rows.
inline bool always(const ModelConfig&) { return true; }
inline bool attention_bias(const ModelConfig& config) { return config.attention_bias; }
inline bool mlp_bias(const ModelConfig& config) { return config.mlp_bias; }
inline bool output_bias(const ModelConfig& config) { return config.output_bias; }
inline bool attention_or_output_bias(const ModelConfig& config) {
  return config.attention_bias || config.output_bias;
}
inline bool down_bias(const ModelConfig& config) { return config.down_bias; }
inline bool mlp_or_down_bias(const ModelConfig& config) {
  return config.mlp_bias || config.down_bias;
}
inline bool untied(const ModelConfig& config) { return !config.tied_embedding; }

/// embed_tokens, norm, lm_head: the same in all families of today.
std::vector<GlobalTensor> standard_globals();

/// `layer_types`, `use_sliding_window`, `max_window_layers` as the Qwen families read them.
void read_qwen_window(const Json& raw, const std::string& where, ModelConfig& config);

}  // namespace mop
