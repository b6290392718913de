// criteria/registry.h -- the built-in criteria; each function makes one row of the table.
#pragma once
#include "criteria/criterion.h"

namespace mop {

Criterion amp_heads();
Criterion amp_neurons();
Criterion magnitude_heads();
Criterion magnitude_neurons();
Criterion random_heads();
Criterion random_neurons();

}  // namespace mop
