// tests/kit/upstream_keys.h -- every key that a format's own authors define has a fate.
#pragma once
#include <gtest/gtest.h>

#include "base/key_fates.h"

namespace mop {

/// Walks tests/golden/keys/`file` ({"source": "...", "keys": [...]}, made by tools/golden/) and
/// fails on a key that `format` gives no fate, and on a row that no key of the schema meets unless
/// `own` names it (keys that no schema lists but files have).
inline void expect_every_key_has_a_fate(const FormatKeys& format, const std::string& file,
                                        const std::vector<std::string>& own = {}) {
  const Json schema = read_json(std::string(MOP_SOURCE_DIR) + "/tests/golden/keys/" + file);
  const auto keys = schema["keys"].get<std::vector<std::string>>();
  ASSERT_FALSE(keys.empty());
  for (const std::string& key : keys)
    EXPECT_NE(find_fate(format, key), nullptr) << format.format << ": " << key << " has no fate";
  for (const KeyFate& row : format.keys) {
    EXPECT_FALSE(row.why.empty()) << row.key;
    const auto meets = [&](const std::string& key) { return find_fate(format, key) == &row; };
    EXPECT_TRUE(std::any_of(keys.begin(), keys.end(), meets) ||
                std::any_of(own.begin(), own.end(), meets))
        << format.format << ": no key of the schema meets the row " << row.key;
  }
}

}  // namespace mop
