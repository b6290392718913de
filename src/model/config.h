// model/config.h -- what a model is, apart from its weights: sizes, per-layer shapes, position
// encoding.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mop {

struct Composite;
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

/// Rotary position encoding, from either spelling (transformers 4 and 5). Which of the numbers a
/// type uses is said in rope_types.cc.
struct RopeConfig {
  double theta = 10000.0;
  std::string type = "default";  ///< the name of a row of `all_rope_types()`
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_context = 8192;  ///< tokens the model was trained on before it was scaled
  double attention_factor = 1.0;    ///< multiplies cos and sin
  double beta_fast = 32.0, beta_slow = 1.0;
  bool truncate = true;
  std::vector<double> short_factor, long_factor;  ///< one for each pair of coordinates
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
  Json raw;  ///< config.json as read, or its text_config; unknown keys are copied through
  /// What the language model is a part of (LLaVA); null when it stands alone.
  std::shared_ptr<const Composite> composite;
  std::vector<std::string> notes;  ///< what the user should know of these files, a line each

  /// Tokens that the positions are meant for: `context`, or what rotary scaling makes of it.
  int64_t longest() const;
};

/// What stands before a family's model_type when layers differ: see docs/formats.md.
inline constexpr std::string_view kPerLayerPrefix = "per_layer_";

/// Reads config.json of any known family, `per_layer_config` included, or of a model that holds
/// one beside other parts (model/composite.h). `where` names the file in errors. A key that the
/// file leaves out has the value of transformers' class, but for the sizes that must be given.
/// Throws Error(kBadInput): unknown family (known ones listed), missing key, heads not a multiple
/// of KV heads, unsupported rope type or activation, an unknown per-layer key.
ModelConfig parse_config(const Json& raw, const std::string& where);

}  // namespace mop
