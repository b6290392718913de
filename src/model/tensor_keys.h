// model/tensor_keys.h -- how each tensor of a checkpoint is handled, by name.
#pragma once
#include "base/key_fates.h"

namespace mop {

/// The tensor names of all families.
const FormatKeys& tensor_keys();

}  // namespace mop
