// pipeline/named_method.h -- recipes that name a method of one paper.
#pragma once
#include "base/json.h"

namespace mop {

/// A recipe whose `width.criterion` or `depth.rule` is named without the other, a selector,
/// branches and a plan, with the rest spelled out as its paper has it: width in one round, or whole
/// layers alone. Any other recipe as it is.
Json named_method(Json recipe);

}  // namespace mop
