// allocate/exact.h -- our rule: the released idea with exact accounting and per-layer shapes.
#pragma once
#include "allocate/width.h"

namespace mop {

/// See `allocate_width`. `closing`: meet `parameters` in full instead of to the nearest unit.
WidthCounts allocate_exact(const ModelConfig& config, int64_t parameters, const Owed& owed,
                           const WidthOptions& options, bool closing);

}  // namespace mop
