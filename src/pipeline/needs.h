// pipeline/needs.h -- the memory and disk that a run will need, told before it starts.
#pragma once
#include <cstdint>

#include "model/model.h"
#include "model/weights.h"
#include "pipeline/run_samples.h"

namespace mop {

struct Needs {
  int64_t memory_bytes =
      0;  ///< anonymous memory at the most; the mapped checkpoint comes on top, as cache
  int64_t disk_bytes = 0;  ///< checkpoint and run folder
};

/// An estimate from sizes alone, a little on the safe side. `parameters_after` is what the result
/// will have.
Needs estimate_needs(const Model& dense, const Compute& compute, const RunSamples& samples,
                     int64_t parameters_after, int64_t steps);

}  // namespace mop
