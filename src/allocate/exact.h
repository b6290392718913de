// allocate/exact.h -- the `exact` budget: the released rule with exact accounting and per-layer
// shapes.
#pragma once
#include "allocate/width.h"

namespace mop {

/// See `allocate_width`.
WidthCounts allocate_exact(const ModelConfig& config, int64_t parameters, const Owed& owed,
                           const WidthOptions& options);

}  // namespace mop
