// report/scale.h -- axes: scales, ticks and their labels.
#pragma once
#include <string>
#include <vector>

namespace mop {

/// A linear or logarithmic map of [low, high] onto lengths [from, to].
struct Scale {
  double low = 0, high = 1;
  double from = 0, to = 1;
  bool logarithmic = false;
  double operator()(double value) const;
};

/// Returns a scale that covers all finite `values` with a margin at both ends; for one value or
/// none, an interval around it. A logarithmic scale considers only positive values; it is linear if
/// there are none.
Scale scale_of(const std::vector<double>& values, bool logarithmic, double from, double to);

struct Tick {
  double value = 0;
  std::string label;
};

/// Returns about `count` round values within the scale, 1, 2 or 5 times a power of ten apart. On a
/// logarithmic scale: the powers of ten, or 1, 2, 5 times them if few fit, or as on a linear one if
/// it spans less than that. None where the ends are too close to tell round values apart, or not
/// finite. `least_step`: 1 for integers.
std::vector<Tick> ticks(const Scale& scale, int count, double least_step = 0);

/// Formats a number with enough digits to distinguish it from another one `step` away: 0.25, 1,500,
/// 3e-07.
std::string number_text(double value, double step);
/// Three significant digits; "-" if not finite.
std::string figure_text(double value);
/// 0.3056 -> "30.56%"; "-" if not finite.
std::string fraction_text(double fraction);

}  // namespace mop
