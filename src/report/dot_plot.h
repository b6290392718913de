// report/dot_plot.h -- values of a few things by name, a line each: dots on one axis.
#pragma once
#include <cmath>
#include <string>
#include <vector>

namespace mop {

struct DotValue {
  size_t series = 0;  ///< index in `DotPlot::series`
  double value = NAN;
  double low = NAN, high = NAN;  ///< a range, drawn as a bar when finite
};

struct DotRow {
  std::string name;
  std::vector<DotValue> values;
};

struct DotPlot {
  std::string name;                 ///< what a screen reader says
  std::string axis;                 ///< with the unit
  std::vector<std::string> series;  ///< whose dots they are, in the legend
  std::vector<DotRow> rows;
  double mark = NAN;  ///< a value with a line of its own: 1 for ratios
};

/// The drawing; empty without a finite value.
std::string dot_plot_svg(const DotPlot& plot);

}  // namespace mop
