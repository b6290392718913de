// base/key_fates.h -- tables that say how each key of a foreign format is handled, so that no key
// of a user's file is ignored silently.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mop {

enum class Fate {
  kHonoured,  ///< read and followed
  kRefused,   ///< an error names the key when its value would change the meaning
  kIgnored,   ///< not read; `why` says why it has no effect
};
std::string_view fate_name(Fate fate);

/// One key, or a prefix of keys when it ends in '*'.
struct KeyFate {
  std::string_view key;
  Fate fate;
  std::string_view why;  ///< what the key does, what is refused, or why it has no effect
};

/// The keys of one format. The first row that matches a key applies.
struct FormatKeys {
  std::string_view format;  ///< file name, "config.json"
  std::span<const KeyFate> keys;
};

/// Returns the row for `key`, or nullptr when the format has none.
const KeyFate* find_fate(const FormatKeys& format, std::string_view key);
/// Returns the keys of `object` without a row, in file order.
std::vector<std::string> unknown_keys(const Json& object, const FormatKeys& format);

}  // namespace mop
