// tests/kit/upstream_keys.h -- checks that a table of key fates covers every key of a format.
#pragma once
#include <gtest/gtest.h>

#include "base/key_fates.h"

namespace mop {

/// Reads tests/golden/keys/`file` ({"source": "...", "keys": [...]}, made by tools/golden/). Fails
/// for a key without a row in `format`, and for a row that matches no key of the schema, unless
/// `own` contains a matching key (keys that no schema lists but files have).
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
