// report/scale.h -- from values to lengths: an axis, its ticks and what stands beside them.
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

/// A scale that holds all finite `values` with a little room at both ends; of one value, or none,
/// an interval around it. Of a logarithmic one, values above 0 alone count; it is linear where
/// there are none.
Scale scale_of(const std::vector<double>& values, bool logarithmic, double from, double to);

struct Tick {
  double value = 0;
  std::string label;
};

/// About `count` round values within the scale: 1, 2 or 5 times a power of ten apart. On a
/// logarithmic scale the powers of ten, or 1, 2, 5 times them where few fit, or as on a linear one
/// where it spans less than that. `least_step`: 1 where only whole numbers have a meaning.
std::vector<Tick> ticks(const Scale& scale, int count, double least_step = 0);

/// A number with as many digits as tell it from another `step` away: 0.25, 1,500, 3e-07.
std::string number_text(double value, double step);
/// Three significant digits; "-" for what is not finite.
std::string figure_text(double value);
/// 0.3056 -> "30.56%"; "-" for what is not finite.
std::string fraction_text(double fraction);

}  // namespace mop
