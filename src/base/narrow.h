// base/narrow.h -- checked integer conversion for numbers read from files.
#pragma once
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"

namespace mop {

/// Converts `value` to To. Throws Error(kBadInput) naming `what` when it does not fit.
template <typename To>
To narrow(int64_t value, std::string_view what) {
  constexpr auto kLeast = static_cast<int64_t>(std::numeric_limits<To>::min());
  constexpr auto kMost = static_cast<int64_t>(std::numeric_limits<To>::max());
  if (value >= kLeast && value <= kMost) return static_cast<To>(value);
  throw bad_input("{} is {}, outside of {} to {}", what, value, kLeast, kMost);
}

/// Returns whether a JSON value is an integer that fits int64.
template <typename J>
bool is_whole_number(const J& value) {
  return value.is_number_integer() &&
         !(value.is_number_unsigned() && value.template get<uint64_t>() > uint64_t{INT64_MAX});
}

/// Returns an integer of a JSON file. Throws Error(kBadInput) naming `what` for fractions, numbers
/// outside of int64 and other types.
template <typename J>
int64_t whole_number(const J& value, std::string_view what) {
  if (is_whole_number(value)) return value.template get<int64_t>();
  throw bad_input("{} must be a whole number, got {}", what, value.dump().substr(0, 60));
}

}  // namespace mop
