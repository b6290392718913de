// vision/load_tensor.h -- weights that are needed once in a pass.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "checkpoint/checkpoint.h"
#include "model/weights.h"

namespace mop {

/// A tensor of the checkpoint where and in the type that is computed; on the CPU in its stored type
/// it stays mapped.
inline at::Tensor load_tensor(const Checkpoint& checkpoint, const std::string& name,
                              const Compute& compute) {
  return checkpoint.tensor(name).to(at::device(compute.device).dtype(compute.dtype));
}

}  // namespace mop
