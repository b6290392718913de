#include "base/key_fates.h"

#include <algorithm>

namespace mop {

std::string_view fate_name(Fate fate) {
  switch (fate) {
    case Fate::kHonoured:
      return "honoured";
    case Fate::kRefused:
      return "refused";
    case Fate::kIgnored:
      return "ignored";
  }
  return "";
}

namespace {
bool fits(std::string_view pattern, std::string_view key) {
  return pattern.ends_with('*') ? key.starts_with(pattern.substr(0, pattern.size() - 1))
                                : key == pattern;
}
}  // namespace

const KeyFate* find_fate(const FormatKeys& format, std::string_view key) {
  const auto row = std::find_if(format.keys.begin(), format.keys.end(),
                                [&](const KeyFate& r) { return fits(r.key, key); });
  return row == format.keys.end() ? nullptr : &*row;
}

std::vector<std::string> unknown_keys(const Json& object, const FormatKeys& format) {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object.items())
    if (!find_fate(format, key)) unknown.push_back(key);
  return unknown;
}

}  // namespace mop
