// pipeline/needs.cc
#include "pipeline/needs.h"

#include <algorithm>

#include "model/family.h"
#include "model/forward.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

constexpr int64_t kProgram = int64_t{256} << 20;    // LibTorch and its thread pools
constexpr int64_t kKeptLayers = int64_t{1} << 30;   // WeightLoader keeps all layers below this
constexpr int64_t kReference = int64_t{512} << 20;  // hidden states of the dense model, if they fit

int64_t largest_layer(const ModelConfig& config) {
  int64_t parameters = 0;
  for (const LayerShape& shape : config.layers) {
    parameters = std::max(parameters, layer_parameters(config, shape));
  }
  return parameters;
}

// Temporaries of one decoder layer over a piece, in elements a token.
int64_t widths_of_a_piece(const ModelConfig& config) {
  int64_t widest = 0;
  for (const LayerShape& shape : config.layers) {
    const int64_t attention = (3 * shape.heads + 2 * shape.kv_heads) * shape.head_dim;
    widest = std::max(widest, attention + 3 * shape.mlp);
  }
  return widest + 4 * config.hidden;
}

}  // namespace

Needs estimate_needs(const Model& dense, const Compute& compute, const RunSamples& samples,
                     int64_t parameters_after, int64_t steps) {
  const ModelConfig& config = dense.config();
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t all_layers = block_parameters(config) * element;
  const int64_t layers = all_layers < kKeptLayers
                             ? all_layers
                             : std::max(kKeptLayers / 2, largest_layer(config) * element);
  const int64_t globals = (total_parameters(config) - block_parameters(config)) * element;
  const int64_t hidden =
      (samples.calibration.tokens() + samples.validation.tokens()) * config.hidden * element;
  const int64_t pieces = ForwardOptions().chunk_tokens * widths_of_a_piece(config) * element;
  const int64_t judged =
      std::min(kReference, samples.validation.tokens() * config.hidden * element);

  const int64_t stored =
      dense.checkpoint().bytes() / std::max<int64_t>(1, total_parameters(config));
  int64_t units = 0;
  for (const LayerShape& shape : config.layers) units += shape.heads + shape.mlp;
  const int64_t run_folder = steps * units * 12 + 64 * 1024;
  return {kProgram + layers + globals + 2 * hidden + pieces + judged,
          parameters_after * std::max<int64_t>(1, stored) + run_folder};
}

}  // namespace mop
