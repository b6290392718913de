// vision/image_processor_keys.h -- the fate of every key of preprocessor_config.json.
#pragma once
#include "base/key_fates.h"

namespace mop {

/// Those of transformers' CLIPImageProcessor and LlavaImageProcessor, versions 4 and 5.
const FormatKeys& image_processor_keys();

}  // namespace mop
