// checkpoint/checkpoint_keys.h -- what becomes of the keys of the files that hold tensors.
#pragma once
#include "base/key_fates.h"

namespace mop {

/// model.safetensors.index.json.
const FormatKeys& index_keys();
/// `__metadata__` in the header of a safetensors file.
const FormatKeys& safetensors_metadata_keys();

}  // namespace mop
