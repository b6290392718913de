// model/config_values.h -- values that stand in more than one of a model's JSON files.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

/// A token id, a list of them, or null (none). Throws Error(kBadInput) on anything else.
std::vector<int64_t> token_ids(const Json& raw, const std::string& key, const std::string& where);

}  // namespace mop
