// allocate/released.h -- the `released` budget: reproduces the arithmetic of the authors' scripts
// bit for bit.
#pragma once
#include "allocate/width.h"

namespace mop {

/// All layers of `config` must have the same shape; `parameters` is the budget c. Throws
/// Error(kBadInput) if the rule does not apply to the model or removes nothing.
WidthCounts allocate_released(const ModelConfig& config, int64_t parameters, const Owed& owed,
                              WidthRule rule);

}  // namespace mop
