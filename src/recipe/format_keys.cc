#include "recipe/format_keys.h"

#include "checkpoint/checkpoint_keys.h"
#include "checkpoint/gguf_keys.h"
#include "export/adapter_keys.h"
#include "model/composite.h"
#include "model/config_keys.h"
#include "model/generation_config.h"
#include "model/tensor_keys.h"
#include "text/tokenizer_keys.h"
#include "text/training_keys.h"
#include "vision/image_processor_keys.h"
#include "vision/vision_config_keys.h"

namespace mop {

std::vector<FormatKeys> all_format_keys() {
  return {
      config_keys(),
      generation_config_keys(),
      composite_keys(),
      vision_config_keys(),
      tensor_keys(),
      index_keys(),
      safetensors_metadata_keys(),
      adapter_keys(),
      tokenizer_json_keys(),
      tokenizer_config_keys(),
      gguf_keys(),
      image_processor_keys(),
      record_keys(),
      message_keys(),
  };
}

}  // namespace mop
