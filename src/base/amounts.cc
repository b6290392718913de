// base/amounts.cc
#include "base/amounts.h"

#include <fmt/core.h>

#include <array>
#include <cmath>

namespace mop {
namespace {

std::string scaled(double value, const std::array<const char*, 5>& units) {
  size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || std::abs(value) >= 99.95 ? 0 : std::abs(value) >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, digits, units[unit]);
}

}  // namespace

std::string short_count(double number) { return scaled(number, {"", " k", " M", " G", " T"}); }

std::string short_bytes(int64_t bytes) {
  return scaled(static_cast<double>(bytes), {" B", " kB", " MB", " GB", " TB"});
}

}  // namespace mop
