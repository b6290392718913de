// report/scale.cc
#include "report/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/table.h"

namespace mop {
namespace {

int digits_of_step(double step) {
  return std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
}

// 4500000 with a step of 500000 -> "4.5 M".
std::string in_large_units(double value, double step) {
  constexpr std::array kUnits = {std::pair{1e12, "T"}, std::pair{1e9, "G"}, std::pair{1e6, "M"}};
  for (const auto& [size, name] : kUnits) {
    if (std::abs(value) < size && size > 1e6) continue;
    return fmt::format("{:.{}f} {}", value / size, digits_of_step(step / size), name);
  }
  return "";
}

// The smallest of 1, 2, 5 times a power of ten that is at least about `raw`.
double round_step(double raw) {
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1., 2., 5.}) {
    if (raw <= factor * power * 1.0001) return factor * power;
  }
  return 10 * power;
}

std::vector<Tick> linear_ticks(const Scale& scale, int count, double least_step) {
  const double step =
      std::max(round_step((scale.high - scale.low) / std::max(count, 1)), least_step);
  const double slack = step * 1e-6;
  const double first = std::ceil((scale.low - slack) / step);
  const double last = std::floor((scale.high + slack) / step);
  constexpr double kCountable = 1e15;  // doubles of this size are still less than 1 apart
  if (!(std::isfinite(step) && first > -kCountable && last < kCountable)) return {};
  std::vector<Tick> all;
  for (auto k = static_cast<int64_t>(first); k <= static_cast<int64_t>(last); ++k) {
    const double value = static_cast<double>(k) * step;
    all.push_back({value, number_text(value, step)});
  }
  return all;
}

std::vector<Tick> decades(const Scale& scale, const std::vector<double>& factors, int every) {
  std::vector<Tick> all;
  const auto first = static_cast<int>(std::floor(std::log10(scale.low)));
  const auto last = static_cast<int>(std::floor(std::log10(scale.high) + 1e-9));
  for (int power = first; power <= last; ++power) {
    if (power % every != 0) continue;
    for (const double factor : factors) {
      const double value = factor * std::pow(10, power);
      if (value < scale.low * (1 - 1e-9) || value > scale.high * (1 + 1e-9)) continue;
      all.push_back({value, number_text(value, std::pow(10, power))});
    }
  }
  return all;
}

// Whether there are numbers between the ends, by which ticks can be counted.
bool has_room(const Scale& scale) {
  if (!(std::isfinite(scale.low) && std::isfinite(scale.high) && scale.low < scale.high)) {
    return false;
  }
  return !scale.logarithmic || (scale.low > 0 && std::isfinite(scale.high / scale.low));
}

std::vector<Tick> log_ticks(const Scale& scale, int count) {
  const double span = std::log10(scale.high / scale.low);
  if (span < 0.7) return linear_ticks(scale, count, 0);
  const int every = std::max(1, static_cast<int>(std::ceil(span / (count + 1))));
  std::vector<Tick> all = decades(scale, {1}, every);
  if (std::ssize(all) >= 3) return all;
  all = decades(scale, {1, 3}, 1);
  return std::ssize(all) >= 3 ? all : decades(scale, {1, 2, 5}, 1);
}

}  // namespace

double Scale::operator()(double value) const {
  const double part =
      logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return from + part * (to - from);
}

Scale scale_of(const std::vector<double>& values, bool logarithmic, double from, double to) {
  std::vector<double> shown;
  for (const double value : values) {
    if (std::isfinite(value) && (!logarithmic || value > 0)) shown.push_back(value);
  }
  if (shown.empty()) return {0, 1, from, to, false};
  const auto [low, high] = std::ranges::minmax(shown);
  constexpr double kRoom = 0.06;
  constexpr double kEqual = 1e-9;  // relative: ticks between such values could not be told apart
  const bool differ = high - low > kEqual * std::max(std::abs(high), std::abs(low));
  if (logarithmic) {
    const double room = differ ? std::pow(high / low, kRoom) : 1.5;
    return {low / room, high * room, from, to, true};
  }
  const double room = differ ? (high - low) * kRoom : std::max(std::abs(high) * 0.1, 0.5);
  return {low - room, high + room, from, to, false};
}

std::vector<Tick> ticks(const Scale& scale, int count, double least_step) {
  if (!has_room(scale)) return {};
  return scale.logarithmic ? log_ticks(scale, count) : linear_ticks(scale, count, least_step);
}

std::string number_text(double value, double step) {
  const double size = std::max(std::abs(value), step);
  if (value == 0) return "0";
  if (size >= 1e6) return in_large_units(value, step);
  if (size < 1e-3) return fmt::format("{:.0e}", value);
  const int digits = digits_of_step(step);
  if (digits > 0) return fmt::format("{:.{}f}", value, digits);
  return with_commas(std::llround(value));
}

std::string figure_text(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size >= 1e6 || size < 1e-3) return fmt::format("{:.2e}", value);
  if (size >= 999.5) return with_commas(std::llround(value));
  const int digits = 2 - static_cast<int>(std::floor(std::log10(size) + 1e-9));
  return fmt::format("{:.{}f}", value, std::max(digits, 0));
}

std::string fraction_text(double fraction) {
  return std::isfinite(fraction) ? percent(fraction) : "-";
}

}  // namespace mop
