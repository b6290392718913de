// text/pattern_part.h -- the `pattern` of a part of a tokenizer.json: {"String": ..} or {"Regex":
// ..}.
#pragma once
#include "text/component.h"
#include "text/pattern.h"

namespace mop {

inline Pattern read_pattern(const PartJson& part) {
  const auto it = part.find("pattern");
  if (it != part.end() && it->is_object()) {
    if (it->contains("String")) return Pattern::literal(part_field<std::string>(*it, "String", ""));
    if (it->contains("Regex")) return Pattern::regex(part_field<std::string>(*it, "Regex", ""));
  }
  throw bad_input("`pattern` is neither {{\"String\": ..}} nor {{\"Regex\": ..}}");
}

}  // namespace mop
