#include "pipeline/format_keys.h"

#include "checkpoint/checkpoint_keys.h"
#include "export/adapter_keys.h"
#include "model/config_keys.h"
#include "model/generation_config.h"
#include "model/tensor_keys.h"

namespace mop {

std::vector<FormatKeys> all_format_keys() {
  return {
      config_keys(), generation_config_keys(),    tensor_keys(),
      index_keys(),  safetensors_metadata_keys(), adapter_keys(),
  };
}

}  // namespace mop
