#include "pipeline/format_keys.h"

#include "text/training_keys.h"

namespace mop {

std::vector<FormatKeys> all_format_keys() {
  return {
      record_keys(),
      message_keys(),
  };
}

}  // namespace mop
