// vision/image_processor_keys.h -- how each key of preprocessor_config.json is handled.
#pragma once
#include "base/key_fates.h"

namespace mop {

/// The keys of transformers' CLIPImageProcessor and LlavaImageProcessor, versions 4 and 5.
const FormatKeys& image_processor_keys();

}  // namespace mop
