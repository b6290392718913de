#include "pipeline/format_keys.h"

#include "checkpoint/gguf_keys.h"

namespace mop {

std::vector<FormatKeys> all_format_keys() {
  return {
      gguf_keys(),
  };
}

}  // namespace mop
