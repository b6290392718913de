// model/families/families.h -- the built-in families and helpers of their tables. A new family
// needs a file in this folder, a line here and a line in family.cc.
#pragma once
#include "model/family.h"

namespace mop {

Family llama_family();
Family mistral_family();
Family qwen2_family();
Family qwen3_family();

/// Not a decoder, hence not in all_families(): see `tower_family`.
Family clip_tower_family();

/// Values of the column `present`.
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

/// embed_tokens, norm, lm_head: equal in all families so far.
std::vector<GlobalTensor> standard_globals();

/// Reads `layer_types`, `use_sliding_window` and `max_window_layers` as the Qwen families do.
void read_qwen_window(const Json& raw, const std::string& where, ModelConfig& config);

}  // namespace mop
