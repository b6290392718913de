// model/rope_config.h -- the rotary settings of config.json, in either of transformers' spellings.
#pragma once
#include <string>
#include <vector>

#include "model/config.h"

namespace mop {

/// The object that readers follow: `rope_scaling` when it is there and not empty, otherwise
/// `rope_parameters`; empty when there is neither. Throws Error(kBadInput) when it is no object or
/// differs by layer type.
Json rope_section(const Json& raw, const std::string& where);

/// Reads the section, and theta from it or from beside it. Adds to `notes` what readers of the file
/// do not agree on. Throws Error(kBadInput): two values of theta, a type that we do not have, a
/// setting that cannot be.
RopeConfig read_rope(const Json& raw, int64_t context, int64_t head_dim, const std::string& where,
                     std::vector<std::string>& notes);

}  // namespace mop
