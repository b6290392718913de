#include "pipeline/format_keys.h"

#include "checkpoint/gguf_keys.h"
#include "text/tokenizer_keys.h"
#include "text/training_keys.h"

namespace mop {

std::vector<FormatKeys> all_format_keys() {
  return {
      tokenizer_json_keys(),
      tokenizer_config_keys(),
      gguf_keys(),
      record_keys(),
      message_keys(),
  };
}

}  // namespace mop
