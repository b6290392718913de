// text/component.cc
#include "text/component.h"

#include "base/files.h"
#include "base/parse_json.h"

namespace mop {

PartJson read_part_json(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  PartJson value;
  try {
    value = parse_sorted_json(text);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
  if (!value.is_object()) throw bad_input("not a JSON object").where("file", path.string());
  return value;
}

}  // namespace mop
