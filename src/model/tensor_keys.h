// model/tensor_keys.h -- what becomes of the tensors of a checkpoint, by name.
#pragma once
#include "base/key_fates.h"

namespace mop {

/// The tensors of all families.
const FormatKeys& tensor_keys();

}  // namespace mop
