// checkpoint/gguf_architecture_keys.cc
#include "checkpoint/gguf_architecture_keys.h"

#include "base/error.h"

namespace mop {

std::vector<int64_t> GgufArchitectureKeys::by_layer(std::string_view key, size_t layers) const {
  std::vector<int64_t> values;
  try {
    values.assign(layers, integer(key));
    return values;
  } catch (const Error&) {
    values = file_.integers(name(key));
  }
  if (values.size() == layers) return values;
  throw bad_input("'{}' has {} entries for {} layers", name(key), values.size(), layers)
      .where("file", file_.path().string());
}

}  // namespace mop
