#include "pipeline/format_keys.h"

namespace mop {

std::vector<FormatKeys> all_format_keys() {
  return {
  };
}

}  // namespace mop
