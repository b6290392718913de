// model/config_values.cc
#include "model/config_values.h"

#include "base/error.h"
#include "base/narrow.h"

namespace mop {
int64_t size_of(const Json& raw, std::string_view key, const std::string& where) {
  const int64_t value = require<int64_t>(raw, key, where);
  if (value < 1 || value >= kLargestSize) {
    throw bad_input("'{}' must be between 1 and {}, got {}", key, kLargestSize - 1, value)
        .where("file", where);
  }
  return value;
}

int64_t size_or(const Json& raw, std::string_view key, int64_t fallback, const std::string& where) {
  const auto it = raw.find(std::string(key));
  return it == raw.end() || it->is_null() ? fallback : size_of(raw, key, where);
}

std::vector<int64_t> whole_numbers(const Json& raw, const std::string& key,
                                   const std::string& where) {
  const auto it = raw.find(key);
  if (it == raw.end() || it->is_null()) return {};
  if (it->is_number_integer()) return {whole_number(*it, key)};
  std::vector<int64_t> ids;
  const bool list = it->is_array();
  if (list) {
    for (const Json& item : *it) {
      if (item.is_number_integer()) ids.push_back(whole_number(item, key));
    }
  }
  if (list && ids.size() == it->size()) return ids;
  throw bad_input("'{}' must be a whole number or a list of them, got {}", key, it->dump())
      .where("file", where);
}

}  // namespace mop
