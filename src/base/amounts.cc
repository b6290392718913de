// base/amounts.cc
#include "base/amounts.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace mop {
namespace {

using Units = std::array<const char*, 5>;
constexpr Units kCounts = {"", " k", " M", " G", " T"};
constexpr Units kBytes = {" B", " kB", " MB", " GB", " TB"};

// `figures` of a value with a unit; what has none is rounded to an integer.
std::string scaled(double value, const Units& units, int figures) {
  const double round = 0.5 / std::pow(10, figures - 3);  // of the last digit of 999.x
  size_t unit = 0;
  while (std::abs(value) >= 1000 - round && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  int digits = figures - 1;
  for (double limit = 10; digits > 0 && std::abs(value) >= limit - round * limit / 1000;
       limit *= 10) {
    --digits;
  }
  return fmt::format("{:.{}f}{}", value, unit == 0 ? 0 : digits, units[unit]);
}

}  // namespace

std::string short_count(double number) { return scaled(number, kCounts, 3); }
std::string short_bytes(int64_t bytes) { return scaled(static_cast<double>(bytes), kBytes, 3); }
std::string long_count(double number) { return scaled(number, kCounts, 4); }
std::string long_bytes(double bytes) { return scaled(bytes, kBytes, 4); }

std::optional<double> number_with_unit(std::string_view text, std::span<const UnitSuffix> units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  const auto found = std::ranges::find(units, unit, &UnitSuffix::name);
  if (found == units.end()) return std::nullopt;
  return number * found->factor;
}

}  // namespace mop
