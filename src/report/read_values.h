// report/read_values.h -- values of JSON that other builds or other people wrote: what is not
// there, or of another type, is as if it were unknown.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/narrow.h"

namespace mop {

/// `json[key]`; null where there is none.
inline const Json& part_of(const Json& json, const char* key) {
  static const Json kNone;
  if (!json.is_object()) return kNone;
  const auto found = json.find(key);
  return found == json.end() ? kNone : *found;
}

/// NaN where there is no number: JSON writes NaN as null.
inline double number_of(const Json& json, const char* key) {
  const Json& value = part_of(json, key);
  return value.is_number() ? value.get<double>() : NAN;
}

/// 0 where there is no whole number.
inline int64_t whole_of(const Json& json, const char* key) {
  const Json& value = part_of(json, key);
  return is_whole_number(value) ? value.get<int64_t>() : 0;
}

/// Empty where there is no text.
inline std::string word_of(const Json& json, const char* key) {
  const Json& value = part_of(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// The numbers of a list; others in it are NaN.
inline std::vector<double> numbers_of(const Json& json, const char* key) {
  std::vector<double> all;
  for (const Json& value : part_of(json, key)) {
    all.push_back(value.is_number() ? value.get<double>() : NAN);
  }
  return all;
}

/// The whole numbers of a list; others in it are 0.
inline std::vector<int64_t> wholes_of(const Json& json, const char* key) {
  std::vector<int64_t> all;
  for (const Json& value : part_of(json, key)) {
    all.push_back(is_whole_number(value) ? value.get<int64_t>() : 0);
  }
  return all;
}

}  // namespace mop
