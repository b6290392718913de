// model/family.cc
#include "model/family.h"

#include "base/error.h"
#include "base/parse_json.h"
#include "model/composite.h"
#include "model/families/families.h"

namespace mop {

std::span<const Family> all_families() {
  static const std::vector<Family> families = {llama_family(), mistral_family(), qwen2_family(),
                                               qwen3_family()};
  return families;
}

const Family& tower_family() {
  static const Family family = clip_tower_family();
  return family;
}

Json class_defaults(const Family& family) { return parse_json(family.class_defaults); }

int64_t axis_length(Axis axis, const ModelConfig& config, const LayerShape& shape) {
  switch (axis) {
    case Axis::kVocab:
      return config.vocab;
    case Axis::kHidden:
      return config.hidden;
    case Axis::kQuery:
      return shape.heads * shape.head_dim;
    case Axis::kKeyValue:
      return shape.kv_heads * shape.head_dim;
    case Axis::kMlp:
      return shape.mlp;
    case Axis::kHeadDim:
      return shape.head_dim;
  }
  throw internal_error("axis {} has no length", static_cast<int>(axis));
}

std::vector<int64_t> axis_lengths(const std::vector<Axis>& axes, const ModelConfig& config,
                                  const LayerShape& shape) {
  std::vector<int64_t> lengths;
  for (const Axis axis : axes) lengths.push_back(axis_length(axis, config, shape));
  return lengths;
}

std::string tensor_name(const Family& family, int64_t layer, const LayerTensor& tensor) {
  return fmt::format("{}{}.{}", family.layer_prefix, layer, tensor.suffix);
}

std::vector<const LayerTensor*> tensors_of_layer(const ModelConfig& config,
                                                 const LayerShape& shape) {
  std::vector<const LayerTensor*> found;
  for (const LayerTensor& tensor : config.family->layer_tensors) {
    const int64_t units = tensor.half == Half::kAttention ? shape.heads : shape.mlp;
    if (units > 0 && tensor.present(config)) found.push_back(&tensor);
  }
  return found;
}

const LayerTensor* tensor_of_role(const ModelConfig& config, const LayerShape& shape, Role role) {
  for (const LayerTensor* tensor : tensors_of_layer(config, shape)) {
    if (tensor->role == role) return tensor;
  }
  return nullptr;
}

std::vector<const GlobalTensor*> global_tensors(const ModelConfig& config) {
  std::vector<const GlobalTensor*> found;
  for (const GlobalTensor& tensor : config.family->global_tensors) {
    if (tensor.present(config)) found.push_back(&tensor);
  }
  return found;
}

namespace {

int64_t elements(const std::vector<Axis>& axes, const ModelConfig& config,
                 const LayerShape& shape) {
  int64_t product = 1;
  for (const Axis axis : axes) product *= axis_length(axis, config, shape);
  return product;
}

}  // namespace

int64_t layer_parameters(const ModelConfig& config, const LayerShape& shape) {
  int64_t sum = 0;
  for (const LayerTensor* tensor : tensors_of_layer(config, shape)) {
    sum += elements(tensor->axes, config, shape);
  }
  return sum;
}

int64_t block_parameters(const ModelConfig& config) {
  int64_t sum = 0;
  for (const LayerShape& shape : config.layers) sum += layer_parameters(config, shape);
  return sum;
}

int64_t language_parameters(const ModelConfig& config) {
  int64_t sum = block_parameters(config);
  for (const GlobalTensor* tensor : global_tensors(config))
    sum += elements(tensor->axes, config, {});
  return sum;
}

int64_t total_parameters(const ModelConfig& config) {
  const int64_t outside = config.composite ? config.composite->parameters() : 0;
  return language_parameters(config) + outside;
}

}  // namespace mop
