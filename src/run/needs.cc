// run/needs.cc
#include "run/needs.h"

#include <algorithm>
#include <optional>

#include "base/file_error.h"
#include "base/machine.h"
#include "eval/validation.h"
#include "gradient/pass_memory.h"
#include "gradient/training_pass.h"
#include "model/family.h"
#include "model/forward.h"
#include "report/table.h"
#include "run/runtime.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

constexpr int64_t kProgram = int64_t{256} << 20;   // LibTorch and its thread pools
constexpr int64_t kKeptLayers = int64_t{1} << 30;  // WeightLoader keeps all layers below this
constexpr int64_t kDevice = int64_t{1} << 30;      // a GPU's libraries and page-locked buffers

// Bytes held by a WeightLoader.
int64_t loaded_bytes(const ModelConfig& config, int64_t element) {
  const int64_t all_layers = block_parameters(config) * element;
  const int64_t layers = all_layers < kKeptLayers
                             ? all_layers
                             : std::max(kKeptLayers / 2, largest_layer(config) * element);
  return layers + (language_parameters(config) - all_layers / element) * element;
}

}  // namespace

int64_t largest_layer(const ModelConfig& config) {
  int64_t parameters = 0;
  for (const LayerShape& shape : config.layers) {
    parameters = std::max(parameters, layer_parameters(config, shape));
  }
  return parameters;
}

int64_t widest_inputs(const ModelConfig& config) {
  int64_t widest = 0;
  for (const LayerShape& shape : config.layers) {
    widest = std::max({widest, shape.heads * shape.head_dim, shape.mlp});
  }
  return widest;
}

int64_t stored_bytes_of_parameter(const Model& dense) {
  const int64_t parameters = std::max<int64_t>(1, total_parameters(dense.config()));
  return std::max<int64_t>(1, dense.checkpoint().value_bytes() / parameters);
}

Needs estimate_needs(const Model& dense, const Compute& compute, const RunSamples& samples,
                     int64_t parameters_after, int64_t steps) {
  const ModelConfig& config = dense.config();
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t hidden =
      (samples.calibration.tokens() + samples.validation.tokens()) * config.hidden * element;
  const int64_t pieces = piece_tokens(config, compute) * widest_elements(config) * element;
  const int64_t judged = std::min(ValidatorOptions().reference_bytes,
                                  samples.validation.tokens() * config.hidden * element);

  int64_t units = 0;
  for (const LayerShape& shape : config.layers) units += shape.heads + shape.mlp;
  const int64_t run_folder = steps * units * 12 + 64 * 1024;
  const int64_t memory = compute.device.is_cpu()
                             ? loaded_bytes(config, element) + 2 * hidden + pieces + judged
                             : kDevice;
  return {kProgram + memory, parameters_after * stored_bytes_of_parameter(dense) + run_folder};
}

Needs training_needs(const RecoverRecipe& recipe, const ModelConfig& config, const Compute& compute,
                     int64_t checkpoint_bytes, const ModelConfig* teacher) {
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const bool low_rank = recipe.low_rank();
  const int64_t trained =
      low_rank ? lora_numbers(config, recipe.lora) : language_parameters(config);
  // Values, gradients and two moving averages in float32, and the copy in the compute dtype.
  const int64_t numbers = trained * (16 + (compute.dtype == at::kFloat ? 0 : element));
  const int64_t piece =
      recipe.train.piece_tokens > 0 ? recipe.train.piece_tokens : kMostPieceTokens;
  const double gib = recipe.activation_gib < 0 ? 2 : recipe.activation_gib;
  const auto allowed = static_cast<int64_t>(gib * (int64_t{1} << 30));
  const int64_t layers = std::ssize(config.layers);
  const int64_t activations = std::min(allowed, piece * activation_bytes(config, compute.dtype)) +
                              piece * layers * config.hidden * element;
  const int64_t pieces = piece * widest_elements(config) * element;
  const int64_t student = low_rank ? loaded_bytes(config, element) : 0;
  const int64_t dense = teacher == nullptr ? 0 : loaded_bytes(*teacher, element);
  const int64_t memory = compute.device.is_cpu() ? student + dense + numbers + activations + pieces
                                                 : kDevice + trained * 4;
  // The values of the state and of the best state, both moving averages, the adapter; and the
  // trained tensors before the checkpoint is written.
  return {kProgram + memory, trained * 4 * (low_rank ? 5 : 4) + checkpoint_bytes};
}

Needs curve_needs(const ModelConfig& config, const Compute& compute, int64_t calibration_tokens) {
  constexpr int64_t kTape = 4;
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t widest = widest_inputs(config);
  const int64_t moments = widest * widest * (2 * 4 + 3 * 8) + config.hidden * widest * (4 + 3 * 8);
  const int64_t taped = std::min(kMostPieceTokens, calibration_tokens);
  const int64_t tape = kTape * taped * widest_elements(config) * element;
  const int64_t borders =
      (std::ssize(config.layers) + 1) * calibration_tokens * config.hidden * element;
  return {moments + tape, borders};
}

void check_room(RunFolder& folder, const Needs& needs) {
  const std::optional<int64_t> free = free_disk_bytes(folder.work());
  if (!free || *free >= needs.disk_bytes) return;
  if (folder.earlier().is_null()) folder.discard();
  throw io_error("the run needs about {} of disk space, but only {} are free",
                 short_bytes(needs.disk_bytes), short_bytes(*free))
      .where("folder", folder.out().parent_path().string());
}

void warn_of_memory(const Needs& needs, Progress& progress) {
  const int64_t free = free_memory_bytes();
  if (free > 0 && free < needs.memory_bytes) {
    progress.warn("only " + short_bytes(free) + " of memory are free");
  }
}

}  // namespace mop
