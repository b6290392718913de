// base/parse_json.h -- the one way in which JSON from outside is read: files, servers, records.
// Nesting is bounded, since whatever looks at a value later does so by recursion, and a key that
// stands twice is refused, since programs differ in which of the two they take.
#pragma once
#include <optional>
#include <string_view>

#include "base/json.h"

namespace mop {

/// Objects and lists within each other; what we read is nested less deep by far.
inline constexpr int kDeepestJson = 128;

/// Keys in the order of the text. Memory and time are linear in the text. Throws Error(kBadInput)
/// beginning with `what` when it is not JSON, is nested deeper, or has a key twice in an object.
Json parse_json(std::string_view text, std::string_view what = "not valid JSON");
/// The same with sorted keys, for objects of very many.
nlohmann::json parse_sorted_json(std::string_view text, std::string_view what = "not valid JSON");
/// Empty where `parse_json` throws.
std::optional<Json> try_parse_json(std::string_view text);

}  // namespace mop
