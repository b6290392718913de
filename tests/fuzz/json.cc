// Any JSON text, and the same text as YAML.
#include "base/parse_json.h"
#include "fuzz/target.h"

using namespace mop;

MOP_FUZZ(bytes) {
  const auto json = try_parse_json(bytes);
  if (json && parse_json(json->dump()) != *json) std::abort();
  if (json && parse_sorted_json(bytes).dump().empty()) std::abort();
  to_yaml(parse_yaml(bytes, "file"));
}
