// base/key_fates.h -- what becomes of every key of a format that others define: nothing that a
// user's file says is passed over in silence.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mop {

enum class Fate {
  kHonoured,  ///< read, and followed
  kRefused,   ///< an error that names the key, when its value would change the meaning
  kIgnored,   ///< not read: `why` says why it cannot matter
};
std::string_view fate_name(Fate fate);

/// One key, or every key that begins so when it ends in '*'.
struct KeyFate {
  std::string_view key;
  Fate fate;
  std::string_view why;  ///< what it does, what is refused, or why it cannot matter
};

/// The keys of one format. The first row that fits a key decides.
struct FormatKeys {
  std::string_view format;  ///< the file's name, "config.json"
  std::span<const KeyFate> keys;
};

/// The row for `key`; nullptr when the format has none.
const KeyFate* find_fate(const FormatKeys& format, std::string_view key);
/// The keys of `object` that have no fate, in the order of the file.
std::vector<std::string> unknown_keys(const Json& object, const FormatKeys& format);

}  // namespace mop
