// model/config_values.h -- values that stand in more than one of a model's JSON files.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mop {

/// One setting of a config beyond this is a damaged file, and products of two must not overflow.
inline constexpr int64_t kLargestSize = int64_t{1} << 31;

/// A whole number, a list of them, or null (none). Throws Error(kBadInput) on anything else.
std::vector<int64_t> whole_numbers(const Json& raw, const std::string& key,
                                   const std::string& where);
/// A size that must be given: at least 1 and below 2^31. Throws Error(kBadInput).
int64_t size_of(const Json& raw, std::string_view key, const std::string& where);
/// The same, or `fallback` where the key is missing or null.
int64_t size_or(const Json& raw, std::string_view key, int64_t fallback, const std::string& where);

}  // namespace mop
