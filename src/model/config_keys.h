// model/config_keys.h -- how each key of config.json is handled.
#pragma once
#include <string>

#include "base/key_fates.h"

namespace mop {

/// The keys of config.json for all families, transformers 4 and 5.
const FormatKeys& config_keys();

/// Throws Error(kBadInput) naming the first key whose value requires something unsupported. `where`
/// names the file.
void check_refused_keys(const Json& raw, const std::string& where);

}  // namespace mop
