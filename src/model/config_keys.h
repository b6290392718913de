// model/config_keys.h -- what becomes of every key of config.json.
#pragma once
#include <string>

#include "base/key_fates.h"

namespace mop {

/// The keys of config.json of all families, transformers 4 and 5.
const FormatKeys& config_keys();

/// Throws Error(kBadInput) naming the first key whose value asks for something that we do not
/// compute. `where` names the file.
void check_refused_keys(const Json& raw, const std::string& where);

}  // namespace mop
