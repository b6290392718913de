// allocate/released.h -- how many units the authors' released scripts remove, to the last bit.
#pragma once
#include "allocate/width.h"

namespace mop {

/// All layers of `config` have the same shape, `parameters` is the budget c. Throws
/// Error(kBadInput) when the rule does not suit the model or removes nothing.
WidthCounts allocate_released(const ModelConfig& config, int64_t parameters, const Owed& owed,
                              WidthRule rule);

}  // namespace mop
