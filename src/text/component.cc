// text/component.cc
#include "text/component.h"

#include "base/files.h"

namespace mop {

PartJson read_part_json(const std::filesystem::path& path) {
  PartJson value;
  try {
    value = PartJson::parse(read_file(path));
  } catch (const PartJson::exception& e) {
    throw bad_input("not valid JSON: {}", e.what()).where("file", path.string());
  }
  if (!value.is_object()) throw bad_input("not a JSON object").where("file", path.string());
  return value;
}

}  // namespace mop
