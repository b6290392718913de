// model/config.h -- what a model is, apart from its weights: sizes, per-layer shapes, position
// encoding.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mop {

struct Family;

/// Size of one decoder layer. A layer without attention has heads = kv_heads = 0, one without MLP
/// mlp = 0.
struct LayerShape {
  int64_t heads = 0;     ///< query heads
  int64_t kv_heads = 0;  ///< key/value heads; heads is a multiple of it
  int64_t head_dim = 0;  ///< width of one head
  int64_t mlp = 0;       ///< MLP neurons

  /// Query heads that share one KV head; 0 without attention.
  int64_t group() const { return kv_heads == 0 ? 0 : heads / kv_heads; }
  bool operator==(const LayerShape&) const = default;
};

/// Rotary position encoding, from either spelling (transformers 4 and 5).
struct RopeConfig {
  double theta = 10000.0;
  std::string type = "default";  ///< default, linear, llama3
  double factor = 1.0;           ///< linear, llama3
  double low_freq_factor = 1.0;  ///< llama3
  double high_freq_factor = 4.0;
  int64_t original_context = 8192;  ///< llama3: original_max_position_embeddings
};

/// Everything a forward pass must know besides weights. Copied freely.
struct ModelConfig {
  const Family* family = nullptr;
  int64_t hidden = 0;
  int64_t vocab = 0;
  int64_t context = 0;  ///< max_position_embeddings, tokens
  double norm_eps = 1e-5;
  RopeConfig rope;
  bool tied_embedding = false;  ///< no lm_head tensor; the head is the embedding
  bool attention_bias = false;  ///< q, k, v (and o in LLaMA) have biases
  bool mlp_bias = false;
  bool output_bias = false;  ///< o_proj has one, whatever attention_bias says (`o_proj_bias`)
  bool down_bias = false;    ///< down_proj has one, whatever mlp_bias says (`down_proj_bias`)
  std::optional<int64_t> sliding_window;  ///< tokens; applies to the layers in `windowed`
  std::vector<bool> windowed;             ///< per layer; empty = none
  std::optional<int64_t> bos;
  std::vector<int64_t> eos;
  std::vector<LayerShape> layers;  ///< one per layer, never assumed equal
  Json raw;                        ///< config.json as read; unknown keys are copied through
};

/// What stands before a family's model_type when layers differ: see docs/formats.md.
inline constexpr std::string_view kPerLayerPrefix = "per_layer_";

/// Reads config.json of any known family, `per_layer_config` included. `where` names the file in
/// errors. Throws Error(kBadInput): unknown family (known ones listed), missing key, heads not a
/// multiple of KV heads, unsupported rope type or activation, an unknown per-layer key.
ModelConfig parse_config(const Json& raw, const std::string& where);

}  // namespace mop
