// recipe/format_keys.h -- the supported formats, each with its table of keys.
#pragma once
#include <vector>

#include "base/key_fates.h"

namespace mop {

/// In the order of `mop list keys`.
std::vector<FormatKeys> all_format_keys();

}  // namespace mop
