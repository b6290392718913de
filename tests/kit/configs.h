// tests/kit/configs.h -- model configs built from sizes, for tests without weights.
#pragma once
#include <string>

#include "model/config.h"

namespace mop::testing {

/// Sizes of a LLaMA. The defaults are small enough to count by hand.
struct Sizes {
  int64_t layers = 4, hidden = 8, heads = 4, kv_heads = 4, head_dim = 2, mlp = 16, vocab = 10;
  std::string family = "llama";
};

inline ModelConfig make_config(const Sizes& sizes) {
  const Json raw = {{"model_type", sizes.family},
                    {"hidden_size", sizes.hidden},
                    {"intermediate_size", sizes.mlp},
                    {"num_hidden_layers", sizes.layers},
                    {"num_attention_heads", sizes.heads},
                    {"num_key_value_heads", sizes.kv_heads},
                    {"head_dim", sizes.head_dim},
                    {"vocab_size", sizes.vocab},
                    {"max_position_embeddings", 64},
                    {"rms_norm_eps", 1e-5},
                    {"hidden_act", "silu"},
                    {"tie_word_embeddings", false}};
  return parse_config(raw, "test config");
}

inline ModelConfig llama2_7b() { return make_config({32, 4096, 32, 32, 128, 11008, 32000}); }
inline ModelConfig llama3_8b() { return make_config({32, 4096, 32, 8, 128, 14336, 128256}); }
/// The sizes in llava-1.5-7b-hf's config; all other values are the classes' defaults.
inline ModelConfig llava_7b() {
  return parse_config({{"model_type", "llava"},
                       {"image_token_index", 32000},
                       {"text_config", {{"model_type", "llama"}, {"vocab_size", 32064}}},
                       {"vision_config",
                        {{"model_type", "clip_vision_model"},
                         {"hidden_size", 1024},
                         {"image_size", 336},
                         {"intermediate_size", 4096},
                         {"num_attention_heads", 16},
                         {"num_hidden_layers", 24},
                         {"patch_size", 14}}}},
                      "test config");
}
/// The sizes of the embedded demo model.
inline ModelConfig tinystories_12l() { return make_config({12, 192, 6, 3, 32, 512, 2048}); }

}  // namespace mop::testing
