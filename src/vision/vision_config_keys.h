// vision/vision_config_keys.h -- the fate of every key of config.json's vision_config.
#pragma once
#include <string>
#include <vector>

#include "base/key_fates.h"

namespace mop {

/// Those of transformers' CLIPVisionConfig. Keys that every config may have are config_keys()'s.
const FormatKeys& vision_config_keys();
/// The keys of a vision_config that have no fate in either.
std::vector<std::string> unknown_vision_keys(const Json& raw);

}  // namespace mop
