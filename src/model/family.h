// model/family.h -- a model family is a table: the tensors of a layer and the meaning of their
// axes, which determine the rows or columns that go when a unit is removed. The loader, surgery,
// the exporter and the parameter counter read this table.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace mop {

/// The meaning of a tensor's axis. kQuery and kKeyValue have length heads * head_dim.
enum class Axis { kVocab, kHidden, kQuery, kKeyValue, kMlp, kHeadDim };

/// The function of a layer's tensor, in the order of files that we write.
enum class Role {
  kInputNorm,
  kQuery,
  kQueryBias,
  kKey,
  kKeyBias,
  kValue,
  kValueBias,
  kOutput,
  kOutputBias,
  kQueryNorm,
  kKeyNorm,
  kMlpNorm,
  kGate,
  kGateBias,
  kUp,
  kUpBias,
  kDown,
  kDownBias,
  kCount
};
inline constexpr size_t kNumRoles = static_cast<size_t>(Role::kCount);
/// Whether it normalises the residual stream (as opposed to queries or keys of a head).
inline constexpr bool is_stream_norm(Role role) {
  return role == Role::kInputNorm || role == Role::kMlpNorm;
}

/// The tensors outside the layers.
enum class GlobalRole { kEmbedding, kFinalNorm, kHead, kCount };
inline constexpr size_t kNumGlobalRoles = static_cast<size_t>(GlobalRole::kCount);

/// The half of a layer that a tensor belongs to; it is absent if the layer lacks that half.
enum class Half { kAttention, kMlp };

struct LayerTensor {
  Role role;
  std::string_view suffix;  ///< name below "model.layers.{i}.", e.g. "self_attn.q_proj.weight"
  std::vector<Axis> axes;   ///< [out, in] for projections
  Half half;
  bool (*present)(const ModelConfig&);  ///< whether models with this config have it
};

struct GlobalTensor {
  GlobalRole role;
  std::string_view name;
  std::vector<Axis> axes;
  bool (*present)(const ModelConfig&);
};

struct Family {
  std::string_view name;          ///< name printed by `mop inspect`
  std::string_view model_type;    ///< in config.json
  std::string_view architecture;  ///< class in transformers
  /// The class that transformers' AutoTokenizer takes for `model_type`; empty: none.
  std::string_view tokenizer_class = {};
  std::string_view layer_prefix;  ///< "model.layers."
  std::vector<LayerTensor> layer_tensors;
  std::vector<GlobalTensor> global_tensors;
  /// Defaults of transformers' config class for missing keys, as JSON.
  std::string_view class_defaults;
  /// Reads the family's own settings from a config that includes the class defaults; `where` names
  /// the file in errors.
  void (*read_config)(const Json& raw, const std::string& where, ModelConfig& config);
};

/// Built-in families in documentation order.
std::span<const Family> all_families();
/// The prunable tensors of a vision tower's layers (model/composite.h) in the form of a decoder
/// family, so that the same code counts, prunes, gathers and writes them.
const Family& tower_family();
/// Returns `class_defaults`, parsed.
Json class_defaults(const Family& family);

/// Throws Error(kBadInput) if `layer_types` is given and contradicts the windows of `config`.
void check_layer_types(const Json& raw, const std::string& where, const ModelConfig& config);

/// Length of `axis` in a layer of shape `shape`.
int64_t axis_length(Axis axis, const ModelConfig& config, const LayerShape& shape);
/// Returns the length of each axis: the tensor's shape.
std::vector<int64_t> axis_lengths(const std::vector<Axis>& axes, const ModelConfig& config,
                                  const LayerShape& shape);
/// Returns the full name of a layer's tensor: prefix, layer number, suffix.
std::string tensor_name(const Family& family, int64_t layer, const LayerTensor& tensor);
/// Returns the tensors that a layer of this shape has, in file order.
std::vector<const LayerTensor*> tensors_of_layer(const ModelConfig& config,
                                                 const LayerShape& shape);
/// Returns the tensor of `role` in a layer of this shape, or nullptr.
const LayerTensor* tensor_of_role(const ModelConfig& config, const LayerShape& shape, Role role);
/// Returns the global tensors that the model has.
std::vector<const GlobalTensor*> global_tensors(const ModelConfig& config);

/// Number of parameters of one layer of the given shape, including norms; of all layers; of the
/// complete model, including the other parts of a composite model (LLaVA's vision tower).
int64_t layer_parameters(const ModelConfig& config, const LayerShape& shape);
int64_t block_parameters(const ModelConfig& config);
int64_t total_parameters(const ModelConfig& config);
/// Parameters of the complete model without those parts.
int64_t language_parameters(const ModelConfig& config);

}  // namespace mop
