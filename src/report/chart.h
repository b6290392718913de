// report/chart.h -- lines and points over two axes, labelled where they are.
#pragma once
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Natural size of a figure in CSS pixels: what a phone shows without scaling.
constexpr double kFigureWidth = 358;

struct ChartPoint {
  double x = 0, y = 0;
  double low = NAN, high = NAN;  ///< a range of y, drawn as a bar when finite
  std::string label = {};        ///< beside the point; empty = none
  std::string title = {};        ///< where the pointer rests on it
};

struct ChartSeries {
  enum class Mark { kNone, kDot, kRing };
  std::string name;  ///< at its last point; empty = no label
  int colour = 0;    ///< of the palette, 0 to 6
  Mark mark = Mark::kDot;
  bool joined = true;  ///< a line through the points
  bool faint = false;  ///< the line is drawn thin and pale
  std::vector<ChartPoint> points = {};
};

struct ChartAxis {
  std::string label = {};  ///< with the unit
  bool logarithmic = false;
  bool whole_numbers = false;  ///< steps, layers
};

struct Chart {
  std::string name;  ///< what a screen reader says
  ChartAxis x, y;
  std::vector<ChartSeries> series;
  double height = 220;
};

/// The drawing. Points that are not finite, or not above 0 on a logarithmic axis, are left out and
/// break their line; without any other point: empty.
std::string chart_svg(const Chart& chart);

/// Length of a label in the page's small type, about.
double label_width(std::string_view text);
/// At most `letters` letters, "…" for what is cut.
std::string cut_label(const std::string& text, size_t letters);

}  // namespace mop
