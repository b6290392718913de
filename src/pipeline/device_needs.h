// pipeline/device_needs.h -- the memory of a device that work will need, told before it starts and
// without a device at hand.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"
#include "model/weights.h"
#include "pipeline/recover_recipe.h"

namespace mop {

/// Bytes of a device's memory, counted generously from sizes alone; what LibTorch's libraries take
/// for themselves (about half a GB) is not in them.
struct DeviceNeeds {
  int64_t weights = 0;        ///< that may stay there: layers, embedding and head
  int64_t least_weights = 0;  ///< of those, what must be there at a time when they stream
  int64_t work = 0;           ///< everything else, in the largest pieces
  int64_t least_work = 0;     ///< the same in the smallest

  int64_t resident() const { return weights + work; }
  int64_t streaming() const { return least_weights + least_work; }
  /// Both at once: their weights, and the work of the larger.
  DeviceNeeds beside(const DeviceNeeds& other) const;
};

/// What repairing a model and predicting damage need: the hidden states of both models with a
/// target and a copy, the gradient behind a layer whose tape is held, and the second moments of one
/// half layer, once summed and once handed on.
DeviceNeeds second_moment_device_needs(const ModelConfig& config, DType dtype,
                                       int64_t calibration_tokens);

/// Statistics over `calibration_tokens` and validations of `candidates` models at a time over
/// `validation_tokens`, the dense one's results kept.
DeviceNeeds pruning_device_needs(const ModelConfig& config, DType dtype, int64_t calibration_tokens,
                                 int64_t validation_tokens, int64_t candidates);
/// Decoding `sequences` at a time, each to `tokens` in all.
DeviceNeeds decoding_device_needs(const ModelConfig& config, DType dtype, int64_t sequences,
                                  int64_t tokens);
/// Training as the recipe says, beside the dense model where that teaches (else null).
DeviceNeeds training_device_needs(const RecoverRecipe& recipe, const ModelConfig& config,
                                  DType dtype, const ModelConfig* teacher);

/// Compares with what the device has. Throws Error(kIo), with the numbers, when it has too little
/// even for weights that stream; gives the line that says they do, empty when they stay there or
/// when the device does not tell. Nothing on the CPU.
std::string check_device_memory(const DeviceNeeds& needs, const Compute& compute);

/// {weights_bytes, resident_bytes, streaming_bytes}
Json to_json(const DeviceNeeds& needs);
/// {dtype: {prune, decode, lora}} for a model of this shape and both compute dtypes: pruning with
/// the default samples (128 of 128 tokens, two candidates), one sequence of the whole context,
/// LoRA's defaults.
Json device_memory_json(const ModelConfig& config);
/// "bfloat16: 15.2 GB to prune (3.4 GB when weights stream), ...", one line a dtype, for people.
std::vector<std::pair<std::string, std::string>> device_memory_lines(const Json& device_memory);

}  // namespace mop
