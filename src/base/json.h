// base/json.h -- reads and writes JSON and YAML; errors name the file and the key.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace mop {

/// Keeps the keys in file order, so that configs are copied through unchanged.
using Json = nlohmann::ordered_json;

/// Parses a file. Throws Error(kIo) when it cannot be read, Error(kBadInput) when it is not JSON.
Json read_json(const std::filesystem::path& path);
/// The same for YAML. Scalars become numbers, booleans, null or strings by the core schema of YAML
/// 1.2.
Json read_yaml(const std::filesystem::path& path);
/// The same for a string; `where` names it in errors. Throws Error(kBadInput).
Json parse_yaml(const std::string& text, const std::string& where);
/// Returns the YAML of a JSON value, keys in order.
std::string to_yaml(const Json& value);
/// Returns JSON indented by two spaces with a final newline: the form of every JSON file we write.
std::string to_text(const Json& value);

/// Returns `object[key]` as T. Throws Error(kBadInput) naming `where` when the key is missing or
/// has another type.
template <typename T>
T require(const Json& object, std::string_view key, std::string_view where);
/// The same, but returns `fallback` when the key is absent or null.
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
