// run/needs.h -- estimates the memory and disk space of a run before it starts.
#pragma once
#include <cstdint>

#include "model/model.h"
#include "model/weights.h"
#include "recipe/recover_recipe.h"
#include "run/run_folder.h"
#include "run/run_samples.h"

namespace mop {

struct Needs {
  int64_t memory_bytes =
      0;  ///< maximum anonymous host memory; the mapped checkpoint uses page cache in addition
  int64_t disk_bytes = 0;  ///< checkpoint and run folder
};

/// Parameters of the largest layer.
int64_t largest_layer(const ModelConfig& config);

/// Number of inputs of the widest o_proj or down_proj.
int64_t widest_inputs(const ModelConfig& config);
/// Bytes per parameter in the written result; for quantised files, of the dequantised values.
int64_t stored_bytes_of_parameter(const Model& dense);

/// Estimates from sizes only, slightly too high. `parameters_after`: parameters of the result.
Needs estimate_needs(const Model& dense, const Compute& compute, const RunSamples& samples,
                     int64_t parameters_after, int64_t steps);

/// Additional needs of damage curves: one half layer's second moments and their elimination in
/// float64, the tape of a piece, and files with the hidden states between all layers.
Needs curve_needs(const ModelConfig& config, const Compute& compute, int64_t calibration_tokens);

/// Needs of training a model of this shape, without the result's checkpoint: the model is read from
/// files of `checkpoint_bytes` bytes; `teacher` is the dense model or null.
Needs training_needs(const RecoverRecipe& recipe, const ModelConfig& config, const Compute& compute,
                     int64_t checkpoint_bytes, const ModelConfig* teacher);

/// Throws Error(kIo) if the disk has too little space for the run; the folder of a new run is then
/// removed.
void check_room(RunFolder& folder, const Needs& needs);
/// Warns if less memory is free.
void warn_of_memory(const Needs& needs, Progress& progress);

}  // namespace mop
