// vision/vision_config_keys.h -- how each key of config.json's vision_config is handled.
#pragma once
#include <string>
#include <vector>

#include "base/key_fates.h"

namespace mop {

/// The keys of transformers' CLIPVisionConfig. Keys common to all configs are in config_keys().
const FormatKeys& vision_config_keys();
/// Returns the keys of a vision_config that are in neither table.
std::vector<std::string> unknown_vision_keys(const Json& raw);

}  // namespace mop
