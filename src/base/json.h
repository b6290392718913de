// base/json.h -- reading JSON and YAML files so that every mistake names the file and the key.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace mop {

/// Keys keep the order in which they stand in the file, so that configs are copied through
/// unchanged.
using Json = nlohmann::ordered_json;

/// The parsed file. Throws Error(kIo) when it cannot be read, Error(kBadInput) when it is not JSON.
Json read_json(const std::filesystem::path& path);
/// The same for YAML (scalars become numbers, booleans, null or texts as YAML 1.2's core schema
/// says).
Json read_yaml(const std::filesystem::path& path);
/// The same from a text; `where` names it in errors. Throws Error(kBadInput).
Json parse_yaml(const std::string& text, const std::string& where);
/// YAML text of a JSON value, keys in order.
std::string to_yaml(const Json& value);
/// Pretty JSON with two spaces and a closing newline: the bytes of every JSON file we write.
std::string to_text(const Json& value);

/// `object[key]` as T. Throws Error(kBadInput) naming `where` when it is missing or of another
/// type.
template <typename T>
T require(const Json& object, std::string_view key, std::string_view where);
/// The same, `fallback` when the key is absent or null.
template <typename T>
T get_or(const Json& object, std::string_view key, T fallback, std::string_view where);

extern template int64_t require<int64_t>(const Json&, std::string_view, std::string_view);
extern template double require<double>(const Json&, std::string_view, std::string_view);
extern template std::string require<std::string>(const Json&, std::string_view, std::string_view);
extern template int64_t get_or<int64_t>(const Json&, std::string_view, int64_t, std::string_view);
extern template double get_or<double>(const Json&, std::string_view, double, std::string_view);
extern template bool get_or<bool>(const Json&, std::string_view, bool, std::string_view);
extern template std::string get_or<std::string>(const Json&, std::string_view, std::string,
                                                std::string_view);

}  // namespace mop
