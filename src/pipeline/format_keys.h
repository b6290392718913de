// pipeline/format_keys.h -- the formats that are read, each with the fate of its keys.
#pragma once
#include <vector>

#include "base/key_fates.h"

namespace mop {

/// In the order of `mop list keys`.
std::vector<FormatKeys> all_format_keys();

}  // namespace mop
