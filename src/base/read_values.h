// base/read_values.h -- reads values of JSON from other builds or programs; missing values and
// values of other types count as unknown.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/narrow.h"

namespace mop {

/// Returns `json[key]`; null if missing.
inline const Json& part_of(const Json& json, const char* key) {
  static const Json kNone;
  if (!json.is_object()) return kNone;
  const auto found = json.find(key);
  return found == json.end() ? kNone : *found;
}

/// Returns NaN if it is not a number, since JSON writes NaN as null.
inline double number_of(const Json& json, const char* key) {
  const Json& value = part_of(json, key);
  return value.is_number() ? value.get<double>() : NAN;
}

/// Returns 0 if it is not an integer.
inline int64_t whole_of(const Json& json, const char* key) {
  const Json& value = part_of(json, key);
  return is_whole_number(value) ? value.get<int64_t>() : 0;
}

/// Returns an empty string if it is not a string.
inline std::string word_of(const Json& json, const char* key) {
  const Json& value = part_of(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// Returns the numbers of a list; other elements are NaN.
inline std::vector<double> numbers_of(const Json& json, const char* key) {
  std::vector<double> all;
  for (const Json& value : part_of(json, key)) {
    all.push_back(value.is_number() ? value.get<double>() : NAN);
  }
  return all;
}

/// Returns the integers of a list; other elements are 0.
inline std::vector<int64_t> wholes_of(const Json& json, const char* key) {
  std::vector<int64_t> all;
  for (const Json& value : part_of(json, key)) {
    all.push_back(is_whole_number(value) ? value.get<int64_t>() : 0);
  }
  return all;
}

}  // namespace mop
