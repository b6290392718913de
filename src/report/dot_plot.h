// report/dot_plot.h -- dot plots: named rows with values on one axis.
#pragma once
#include <cmath>
#include <string>
#include <vector>

namespace mop {

struct DotValue {
  size_t series = 0;  ///< index in `DotPlot::series`
  double value = NAN;
  double low = NAN, high = NAN;  ///< a range, drawn as a bar if finite
};

struct DotRow {
  std::string name;
  std::vector<DotValue> values;
};

struct DotPlot {
  std::string name;                 ///< accessible name, for screen readers
  std::string axis;                 ///< with the unit
  std::vector<std::string> series;  ///< names in the legend
  std::vector<DotRow> rows;
  double mark = NAN;  ///< a value marked by a line: 1 for ratios
};

/// Returns the drawing; empty without a finite value.
std::string dot_plot_svg(const DotPlot& plot);

}  // namespace mop
