// pipeline/needs.h -- the memory and disk that a run will need, told before it starts.
#pragma once
#include <cstdint>

#include "model/model.h"
#include "model/weights.h"
#include "pipeline/recover_recipe.h"
#include "pipeline/run_folder.h"
#include "pipeline/run_samples.h"

namespace mop {

struct Needs {
  int64_t memory_bytes =
      0;  ///< the host's, anonymous, at the most; the mapped checkpoint comes on top, as cache
  int64_t disk_bytes = 0;  ///< checkpoint and run folder
};

/// Parameters of the layer that has most.
int64_t largest_layer(const ModelConfig& config);

/// Inputs of the widest o_proj or down_proj.
int64_t widest_inputs(const ModelConfig& config);
/// Bytes of a parameter as the result stores it; of quantised files, of what their values become.
int64_t stored_bytes_of_parameter(const Model& dense);

/// An estimate from sizes alone, a little on the safe side. `parameters_after` is what the result
/// will have.
Needs estimate_needs(const Model& dense, const Compute& compute, const RunSamples& samples,
                     int64_t parameters_after, int64_t steps);

/// What damage curves need beside it: one half layer's second moments and their elimination in
/// float64, the tape of a piece, and files for the hidden states between all layers.
Needs curve_needs(const ModelConfig& config, const Compute& compute, int64_t calibration_tokens);

/// The same of training a model of this shape, the result's checkpoint not counted: it is read
/// from files as large as `checkpoint_bytes` and computed with beside the dense model, where that
/// teaches (else null).
Needs training_needs(const RecoverRecipe& recipe, const ModelConfig& config, const Compute& compute,
                     int64_t checkpoint_bytes, const ModelConfig* teacher);

/// Throws Error(kIo) when the disk has no room for the run; the folder of a new run is gone then.
void check_room(RunFolder& folder, const Needs& needs);
/// Warns when less memory is free.
void warn_of_memory(const Needs& needs, Progress& progress);

}  // namespace mop
