// model/rope_config.h -- reads the rotary settings of config.json in transformers' two spellings.
#pragma once
#include <string>
#include <vector>

#include "model/config.h"

namespace mop {

/// Returns the object that readers use: `rope_scaling` if present and not empty, otherwise
/// `rope_parameters`; empty if neither is present. Throws Error(kBadInput) if it is not an object
/// or differs by layer type.
Json rope_section(const Json& raw, const std::string& where);

/// Reads the section, and theta from it or from the top level. Adds notes where readers of the file
/// disagree. Throws Error(kBadInput) for two different values of theta, an unsupported type or an
/// invalid setting.
RopeConfig read_rope(const Json& raw, int64_t context, int64_t head_dim, const std::string& where,
                     std::vector<std::string>& notes);

}  // namespace mop
