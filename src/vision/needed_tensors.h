// vision/needed_tensors.h -- what a tower or projector reads from the checkpoint, checked at once.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/weights.h"

namespace mop {

struct NeededTensor {
  std::string name;
  std::vector<int64_t> shape;
};

/// Throws Error(kBadInput) listing every tensor that is missing or has another shape or a type that
/// is no floating point.
void check_tensors(const Checkpoint& checkpoint, const std::vector<NeededTensor>& needed);

/// A tensor of the checkpoint where and in the type that is computed; on the CPU in its stored type
/// it stays mapped.
at::Tensor load_tensor(const Checkpoint& checkpoint, const std::string& name,
                       const Compute& compute);

}  // namespace mop
