// run/device_needs.h -- estimates the device memory of a job before it starts; needs no
// device.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"
#include "model/weights.h"
#include "recipe/recover_recipe.h"

namespace mop {

/// Upper estimates of device memory in bytes, from sizes only; memory of LibTorch's libraries
/// (about half a GB) is not included.
struct DeviceNeeds {
  int64_t weights = 0;        ///< weights if all are resident: layers, embedding and head
  int64_t least_weights = 0;  ///< weights needed at a time if they are streamed
  int64_t work = 0;           ///< all else, with the largest pieces
  int64_t least_work = 0;     ///< all else, with the smallest pieces

  int64_t resident() const { return weights + work; }
  int64_t streaming() const { return least_weights + least_work; }
  /// The needs of both together: the sum of weights and the larger work.
  DeviceNeeds beside(const DeviceNeeds& other) const;
};

/// Needs of repair and damage prediction: the hidden states of both models with a target and a
/// copy, the gradient at a layer whose tape is kept, and twice the second moments of one half
/// layer.
DeviceNeeds second_moment_device_needs(const ModelConfig& config, DType dtype,
                                       int64_t calibration_tokens);

/// Needs of statistics over `calibration_tokens` and of validating `candidates` models at a time
/// over `validation_tokens`, with the dense model's results kept.
DeviceNeeds pruning_device_needs(const ModelConfig& config, DType dtype, int64_t calibration_tokens,
                                 int64_t validation_tokens, int64_t candidates);
/// Needs of decoding `sequences` in parallel, up to `tokens` tokens each.
DeviceNeeds decoding_device_needs(const ModelConfig& config, DType dtype, int64_t sequences,
                                  int64_t tokens);
/// Needs of training with this recipe; `teacher` is the dense model or null.
DeviceNeeds training_device_needs(const RecoverRecipe& recipe, const ModelConfig& config,
                                  DType dtype, const ModelConfig* teacher);

/// Compares with the device's memory. Throws Error(kIo), with the numbers, if it is too small even
/// for streamed weights. Returns a notice if weights are streamed; empty if they are resident or
/// the device does not report its memory. Does nothing on the CPU.
std::string check_device_memory(const DeviceNeeds& needs, const Compute& compute);

/// {weights_bytes, resident_bytes, streaming_bytes}
Json to_json(const DeviceNeeds& needs);
/// Returns {dtype: {prune, decode, lora}} for a model of this shape and both compute dtypes:
/// pruning with the default samples (128 of 128 tokens, two candidates), one sequence of full
/// context length, LoRA with defaults.
Json device_memory_json(const ModelConfig& config);
/// Returns text such as "bfloat16: 15.2 GB to prune (3.4 GB when weights stream), ...", one line
/// per dtype.
std::vector<std::pair<std::string, std::string>> device_memory_lines(const Json& device_memory);

}  // namespace mop
