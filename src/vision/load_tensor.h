// vision/load_tensor.h -- loads weights that are needed once per pass.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "checkpoint/checkpoint.h"
#include "model/weights.h"

namespace mop {

/// Returns a tensor of the checkpoint on the compute device in the compute dtype; on the CPU in its
/// stored dtype it stays mapped.
inline at::Tensor load_tensor(const Checkpoint& checkpoint, const std::string& name,
                              const Compute& compute) {
  return checkpoint.tensor(name).to(at::device(compute.device).dtype(compute.dtype));
}

}  // namespace mop
