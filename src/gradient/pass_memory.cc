// gradient/pass_memory.cc
#include "gradient/pass_memory.h"

#include <algorithm>

#include "gradient/output_loss.h"
#include "model/family.h"
#include "model/forward.h"

namespace mop {
namespace {

// Returns the bytes of activations one layer keeps per token, an upper estimate.
int64_t kept_bytes(const ModelConfig& config, const LayerShape& shape, DType dtype) {
  const int64_t query = shape.heads * shape.head_dim, key = shape.kv_heads * shape.head_dim;
  return (6 * config.hidden + 4 * query + 4 * key + 4 * shape.mlp) *
         static_cast<int64_t>(dtype_bytes(dtype));
}

// Returns the elements of one layer's tape per token on a device, including its output: the normed
// inputs, queries, keys, values and heads, gate, up and their product.
int64_t taped_elements(const ModelConfig& config, const LayerShape& shape) {
  const int64_t query = shape.heads * shape.head_dim, key = shape.kv_heads * shape.head_dim;
  int64_t normed_heads = 0;
  for (const LayerTensor* tensor : tensors_of_layer(config, shape)) {
    if (tensor->role == Role::kQueryNorm) normed_heads += query;
    if (tensor->role == Role::kKeyNorm) normed_heads += key;
  }
  return 4 * config.hidden + 2 * query + 2 * key + normed_heads + 3 * shape.mlp;
}

}  // namespace

int64_t activation_bytes(const ModelConfig& config, DType dtype) {
  int64_t bytes = 0;
  for (const LayerShape& shape : config.layers) bytes += kept_bytes(config, shape, dtype);
  return bytes;
}

DevicePassBytes device_pass_bytes(const ModelConfig& config, DType dtype) {
  const auto element = static_cast<int64_t>(dtype_bytes(dtype));
  DevicePassBytes bytes;
  for (const LayerShape& shape : config.layers) {
    bytes.kept += taped_elements(config, shape) * element;
    bytes.states += config.hidden * element;
  }
  // Gradients of the widest layer's activations, and two float32 rows of the embedding's gradient.
  bytes.working =
      2 * widest_elements(config) * element + 2 * config.hidden * int64_t{sizeof(float)};
  return bytes;
}

int64_t device_step_bytes(const ModelConfig& config, DType dtype, int64_t trained_numbers,
                          bool trains_all, bool teacher) {
  int64_t layer = 0;
  for (const LayerShape& shape : config.layers) {
    layer = std::max(layer, layer_parameters(config, shape));
  }
  const int64_t head = trains_all ? config.vocab * config.hidden : 0;
  return 2 * trained_numbers * int64_t{sizeof(float)} + output_loss_bytes(config.vocab, teacher) +
         2 * (layer + head) * static_cast<int64_t>(dtype_bytes(dtype));
}

int64_t layers_that_fit(const ModelConfig& config, DType dtype, int64_t tokens,
                        const PassRoom& room) {
  const auto element = static_cast<int64_t>(dtype_bytes(dtype));
  int64_t left = room.bytes, fit = 0;
  if (room.for_all) {
    const DevicePassBytes of_token = device_pass_bytes(config, dtype);
    left -= tokens * (of_token.states + of_token.working);
  }
  for (auto shape = config.layers.rbegin(); shape != config.layers.rend(); ++shape, ++fit) {
    left -= tokens * (room.on_device ? taped_elements(config, *shape) * element
                                     : kept_bytes(config, *shape, dtype));
    if (left < 0) break;
  }
  return fit;
}

int64_t device_piece_tokens(int64_t bytes, int64_t bytes_of_token) {
  int64_t best = 0;
  for (int64_t tokens = kLeastDevicePiece; tokens <= kMostDevicePiece; tokens *= 2) {
    for (const int64_t size : {tokens, tokens + tokens / 2}) {
      if (size <= kMostDevicePiece && size * bytes_of_token <= bytes) best = size;
    }
  }
  return best;
}

int64_t device_piece(const ModelConfig& config, DType dtype, const PassRoom& room, bool streams) {
  const DevicePassBytes of_token = device_pass_bytes(config, dtype);
  const int64_t always = room.for_all ? of_token.states + of_token.working : 0;
  const int64_t one_layer = of_token.kept / std::max<int64_t>(1, std::ssize(config.layers));
  if (!streams) {
    const int64_t tokens = device_piece_tokens(room.bytes, always + of_token.kept);
    if (tokens > 0) return tokens;
  }
  // All layers are recomputed. Re-reading resident weights is free, so the smallest pieces with
  // efficient products leave the most memory for activations.
  const int64_t most = streams ? kMostDevicePiece : 2 * kLeastDevicePiece;
  return std::clamp(device_piece_tokens(room.bytes, always + one_layer), kLeastDevicePiece, most);
}

}  // namespace mop
