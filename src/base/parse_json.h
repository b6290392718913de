// base/parse_json.h -- the only JSON parser for external data: files, servers, records. It limits
// nesting, since later code recurses over values, and rejects duplicate keys, since programs differ
// in which of the two they use.
#pragma once
#include <optional>
#include <string_view>

#include "base/json.h"

namespace mop {

/// Maximum nesting of objects and arrays, well above what our formats need.
inline constexpr int kDeepestJson = 128;

/// Parses `text`, keys in text order, in linear time and memory. Throws Error(kBadInput) whose
/// message begins with `what` when it is not JSON, is nested too deep, or has a duplicate key.
Json parse_json(std::string_view text, std::string_view what = "not valid JSON");
/// The same with sorted keys, for objects with very many keys.
nlohmann::json parse_sorted_json(std::string_view text, std::string_view what = "not valid JSON");
/// Returns nullopt where `parse_json` throws.
std::optional<Json> try_parse_json(std::string_view text);

}  // namespace mop
