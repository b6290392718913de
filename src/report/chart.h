// report/chart.h -- line and point charts with direct labels.
#pragma once
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Natural width of a figure in CSS pixels, which fits a phone without scaling.
constexpr double kFigureWidth = 358;

struct ChartPoint {
  double x = 0, y = 0;
  double low = NAN, high = NAN;  ///< a range of y, drawn as a bar when finite
  std::string label = {};        ///< label of the point; empty = none
  std::string title = {};        ///< tooltip
};

struct ChartSeries {
  enum class Mark { kNone, kDot, kRing };
  std::string name;  ///< label at the last point; empty = none
  int colour = 0;    ///< index in the palette, 0 to 6
  Mark mark = Mark::kDot;
  bool joined = true;  ///< connect the points by a line
  bool faint = false;  ///< thin and pale line
  std::vector<ChartPoint> points = {};
};

struct ChartAxis {
  std::string label = {};  ///< with the unit
  bool logarithmic = false;
  bool whole_numbers = false;  ///< steps, layers
};

struct Chart {
  std::string name;  ///< accessible name, for screen readers
  ChartAxis x, y;
  std::vector<ChartSeries> series;
  double height = 220;
};

/// Returns the drawing. Points that are not finite, or not positive on a logarithmic axis, are
/// omitted and interrupt their line; empty if no point is left.
std::string chart_svg(const Chart& chart);

/// Approximate width of a label in the page's small font.
double label_width(std::string_view text);
/// Truncates a label to `letters` characters, with "…".
std::string cut_label(const std::string& text, size_t letters);

}  // namespace mop
