// model/family.h -- a model family is a table: which tensors a layer has, what their axes mean, and
// so which of them lose rows or columns when a unit is removed. The loader, the surgeon, the
// exporter and the parameter counter all read this table.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace mop {

/// What an axis of a tensor counts. kQuery and kKeyValue are heads*head_dim wide.
enum class Axis { kVocab, kHidden, kQuery, kKeyValue, kMlp, kHeadDim };

/// What a tensor of a layer is for. Order = order in files we write.
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
/// Whether it norms the residual stream (and not the queries or keys of a head).
inline constexpr bool is_stream_norm(Role role) {
  return role == Role::kInputNorm || role == Role::kMlpNorm;
}

/// The tensors outside the layers.
enum class GlobalRole { kEmbedding, kFinalNorm, kHead, kCount };
inline constexpr size_t kNumGlobalRoles = static_cast<size_t>(GlobalRole::kCount);

/// Which half of a layer a tensor belongs to: it is absent when the layer lacks that half.
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
  std::string_view name;          ///< ours, as `mop inspect` prints it
  std::string_view model_type;    ///< HF config.json
  std::string_view architecture;  ///< HF class
  std::string_view layer_prefix;  ///< "model.layers."
  std::vector<LayerTensor> layer_tensors;
  std::vector<GlobalTensor> global_tensors;
  /// JSON: what transformers' config class has for the keys that a file leaves out.
  std::string_view class_defaults;
  /// What is special to the family's config, class defaults filled in; `where` names the file in
  /// errors.
  void (*read_config)(const Json& raw, const std::string& where, ModelConfig& config);
};

/// Built-in families in documentation order.
std::span<const Family> all_families();
/// What of a vision tower's layers can be cut (model/composite.h): they are given as those of a
/// decoder, and so counted, cut, gathered and written by the same code.
const Family& tower_family();
/// `class_defaults` as an object.
Json class_defaults(const Family& family);

/// Throws Error(kBadInput) when `layer_types`, if it is there, and the windows of `config` are not
/// the same.
void check_layer_types(const Json& raw, const std::string& where, const ModelConfig& config);

/// Length of `axis` in a layer of shape `shape`.
int64_t axis_length(Axis axis, const ModelConfig& config, const LayerShape& shape);
/// The lengths of all `axes`: the shape of a tensor.
std::vector<int64_t> axis_lengths(const std::vector<Axis>& axes, const ModelConfig& config,
                                  const LayerShape& shape);
/// Full name of a layer's tensor: prefix, layer number, suffix.
std::string tensor_name(const Family& family, int64_t layer, const LayerTensor& tensor);
/// The tensors that a layer of this shape really has, in file order.
std::vector<const LayerTensor*> tensors_of_layer(const ModelConfig& config,
                                                 const LayerShape& shape);
/// The tensor of `role` in a layer of this shape; nullptr when it has none.
const LayerTensor* tensor_of_role(const ModelConfig& config, const LayerShape& shape, Role role);
/// The global tensors this model really has.
std::vector<const GlobalTensor*> global_tensors(const ModelConfig& config);

/// Parameters of one layer of the given shape, norms included; of all layers; of the whole model,
/// with the parts that stand beside a language model (LLaVA's vision tower).
int64_t layer_parameters(const ModelConfig& config, const LayerShape& shape);
int64_t block_parameters(const ModelConfig& config);
int64_t total_parameters(const ModelConfig& config);
/// The whole model but for those parts: what runs, is trained and stays in memory.
int64_t language_parameters(const ModelConfig& config);

}  // namespace mop
