// model/config.h -- configuration of a model: sizes, per-layer shapes, position encoding.
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

/// Sizes of one decoder layer. Without attention heads = kv_heads = 0; without an MLP mlp = 0.
struct LayerShape {
  int64_t heads = 0;     ///< query heads
  int64_t kv_heads = 0;  ///< key/value heads; heads is a multiple of it
  int64_t head_dim = 0;  ///< width of one head
  int64_t mlp = 0;       ///< MLP neurons

  /// Query heads per KV head; 0 without attention.
  int64_t group() const { return kv_heads == 0 ? 0 : heads / kv_heads; }
  bool operator==(const LayerShape&) const = default;
};

/// Rotary position encoding, read from either spelling (transformers 4 or 5). rope_types.cc lists
/// the fields that each type uses.
struct RopeConfig {
  double theta = 10000.0;
  std::string type = "default";  ///< the name of a row of `all_rope_types()`
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_context = 8192;  ///< context before scaling, tokens
  double attention_factor = 1.0;    ///< multiplies cos and sin
  double beta_fast = 32.0, beta_slow = 1.0;
  bool truncate = true;
  std::vector<double> short_factor, long_factor;  ///< one per pair of coordinates
};

/// All that a forward pass needs besides weights.
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
  bool output_bias = false;  ///< bias of o_proj, independent of attention_bias (`o_proj_bias`)
  bool down_bias = false;    ///< bias of down_proj, independent of mlp_bias (`down_proj_bias`)
  std::optional<int64_t> sliding_window;  ///< tokens; applies to the layers in `windowed`
  std::vector<bool> windowed;             ///< per layer; empty = none
  std::optional<int64_t> bos;
  std::vector<int64_t> eos;
  std::vector<LayerShape> layers;  ///< one per layer; may differ
  Json raw;  ///< config.json as read, or its text_config; unknown keys are kept on export
  /// The composite model that contains this language model (LLaVA); null for a plain one.
  std::shared_ptr<const Composite> composite;
  std::vector<std::string> notes;  ///< notices for the user about the files, one line each

  /// Maximum sequence length in tokens: `context`, or the extended length with rotary scaling.
  int64_t longest() const;
};

/// Prefix of model_type in exported models whose layers differ: see docs/formats.md.
inline constexpr std::string_view kPerLayerPrefix = "per_layer_";

/// Reads config.json of a known family, including `per_layer_config`, or of a composite model
/// (model/composite.h). `where` names the file in errors. A missing key has the default of
/// transformers' config class, except for sizes that must be given. Throws Error(kBadInput):
/// unknown family (lists the known ones), missing key, heads not a multiple of KV heads,
/// unsupported rope type or activation, unknown per-layer key.
ModelConfig parse_config(const Json& raw, const std::string& where);

}  // namespace mop
