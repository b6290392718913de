// model/config_values.h -- reads values that occur in several JSON files of a model.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mop {

/// Upper limit of a size in a config; larger values mean a damaged file. Products of two sizes must
/// not overflow.
inline constexpr int64_t kLargestSize = int64_t{1} << 31;

/// Reads an integer, a list of integers or null (empty). Throws Error(kBadInput) otherwise.
std::vector<int64_t> whole_numbers(const Json& raw, const std::string& key,
                                   const std::string& where);
/// Reads a required size, at least 1 and below 2^31. Throws Error(kBadInput).
int64_t size_of(const Json& raw, std::string_view key, const std::string& where);
/// The same; returns `fallback` if the key is missing or null.
int64_t size_or(const Json& raw, std::string_view key, int64_t fallback, const std::string& where);

}  // namespace mop
