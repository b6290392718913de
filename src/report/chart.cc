// report/chart.cc
#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "report/scale.h"
#include "report/svg.h"
#include "report/table.h"

namespace mop {
namespace {

constexpr double kTop = 26, kBottom = 34, kLine = 13, kLetter = 6.3;

struct Box {
  double x, y, width, height;
  bool meets(const Box& other) const {
    return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
           other.y < y + height;
  }
};

struct Placed {
  const ChartPoint* point;
  double x, y;
};

// Layout of the chart.
struct Frame {
  Scale x, y;
  std::vector<Tick> x_ticks, y_ticks;
  double left = 0, right = 0;  ///< the plot's edges
};

bool drawable(const ChartPoint& point, const Chart& chart) {
  return std::isfinite(point.x) && std::isfinite(point.y) &&
         (!chart.x.logarithmic || point.x > 0) && (!chart.y.logarithmic || point.y > 0);
}

std::vector<double> values(const Chart& chart, bool of_x) {
  std::vector<double> all;
  for (const ChartSeries& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      if (!drawable(point, chart)) continue;
      if (of_x) {
        all.push_back(point.x);
      } else {
        all.insert(all.end(), {point.y, point.low, point.high});
      }
    }
  }
  return all;
}

double room_for_names(const Chart& chart) {
  double room = 8;
  for (const ChartSeries& series : chart.series) {
    if (!series.name.empty()) room = std::max(room, label_width(series.name) + 10);
    if (series.joined && !series.points.empty() && !series.points.back().label.empty()) {
      room = std::max(room, label_width(series.points.back().label) + 10);
    }
  }
  return std::min(room, kFigureWidth / 3);
}

Frame frame_of(const Chart& chart) {
  Frame frame;
  frame.y = scale_of(values(chart, false), chart.y.logarithmic, chart.height - kBottom, kTop);
  frame.y_ticks = ticks(frame.y, std::max(2, static_cast<int>(chart.height / 45)));
  double labels = 0;
  for (const Tick& tick : frame.y_ticks) labels = std::max(labels, label_width(tick.label));
  frame.left = labels + 8;
  frame.right = kFigureWidth - room_for_names(chart);
  frame.x = scale_of(values(chart, true), chart.x.logarithmic, frame.left + 6, frame.right);
  frame.x_ticks = ticks(frame.x, 4, chart.x.whole_numbers ? 1 : 0);
  return frame;
}

void draw_axes(Svg& svg, const Chart& chart, const Frame& frame) {
  svg.text(0, 11, chart.y.label, Anchor::kStart, "al");
  for (const Tick& tick : frame.y_ticks) {
    const double y = frame.y(tick.value);
    svg.line(frame.left, y, frame.right, y, "g");
    svg.text(frame.left - 5, y + 4, tick.label, Anchor::kEnd);
  }
  const double base = chart.height - kBottom;
  double free_from = 0;
  for (const Tick& tick : frame.x_ticks) {
    const double x = frame.x(tick.value), half = label_width(tick.label) / 2;
    svg.line(x, base, x, base + 4, "t");
    if (x - half < free_from) continue;
    svg.text(std::min(x, kFigureWidth - half), base + 15, tick.label, Anchor::kMiddle);
    free_from = x + half + 6;
  }
  svg.line(frame.left, base, frame.right, base, "t");
  // Below the end of its axis, as far as there is room to the left.
  const double end = std::max(frame.right, frame.left + label_width(chart.x.label));
  svg.text(std::min(end, kFigureWidth), chart.height - 4, chart.x.label, Anchor::kEnd, "al");
}

void draw_line(Svg& svg, const Chart& chart, const ChartSeries& series, const Frame& frame) {
  SvgPath path;
  bool pen_down = false;
  for (const ChartPoint& point : series.points) {
    const bool draws = drawable(point, chart);
    if (draws && pen_down) path.line(frame.x(point.x), frame.y(point.y));
    if (draws && !pen_down) path.move(frame.x(point.x), frame.y(point.y));
    pen_down = draws;
  }
  svg.path(path.str(), fmt::format("l s{}{}", series.colour, series.faint ? " faint" : ""));
}

std::vector<Placed> draw_series(Svg& svg, const Chart& chart, const ChartSeries& series,
                                const Frame& frame) {
  std::vector<Placed> placed;
  if (series.joined) draw_line(svg, chart, series, frame);
  const char* kind = series.mark == ChartSeries::Mark::kRing ? "r s" : "f";
  for (const ChartPoint& point : series.points) {
    if (!drawable(point, chart)) continue;
    const double x = frame.x(point.x), y = frame.y(point.y);
    placed.push_back({&point, x, y});
    if (std::isfinite(point.low) && std::isfinite(point.high)) {
      svg.line(x, frame.y(point.low), x, frame.y(point.high), fmt::format("w s{}", series.colour));
    }
    if (series.mark == ChartSeries::Mark::kNone) continue;
    svg.circle(x, y, 3.5, fmt::format("{}{}", kind, series.colour), point.title);
  }
  return placed;
}

// Places the names of all series at their last points without overlaps.
void name_series(Svg& svg, const Chart& chart, const std::vector<std::vector<Placed>>& placed,
                 std::vector<Box>& taken) {
  struct Name {
    double x, y;
    size_t series;
  };
  std::vector<Name> names;
  for (size_t i = 0; i < placed.size(); ++i) {
    if (chart.series[i].name.empty() || placed[i].empty()) continue;
    const auto last =
        std::ranges::max_element(placed[i], {}, [](const Placed& point) { return point.x; });
    names.push_back({last->x + 7, last->y + 4, i});
  }
  std::ranges::stable_sort(names, {}, &Name::y);
  for (size_t i = 1; i < names.size(); ++i) {
    names[i].y = std::max(names[i].y, names[i - 1].y + kLine);
  }
  double lowest = chart.height - kBottom;
  for (size_t i = names.size(); i-- > 0; lowest -= kLine) names[i].y = std::min(names[i].y, lowest);
  for (const Name& name : names) {
    const ChartSeries& series = chart.series[name.series];
    svg.text(name.x, name.y, series.name, Anchor::kStart, fmt::format("n{}", series.colour));
    taken.push_back({name.x, name.y - 10, label_width(series.name), kLine});
  }
}

// Places a label at the first of six free positions around its point inside the plot; labels of
// lines are placed above.
void label_point(Svg& svg, const Placed& placed, const Chart& chart, const ChartSeries& series,
                 std::vector<Box>& taken) {
  const std::string text = cut_label(placed.point->label, 26);
  const double width = label_width(text);
  std::array<std::array<double, 2>, 6> corners = {{{placed.x + 7, placed.y - 6},
                                                   {placed.x - 7 - width, placed.y - 6},
                                                   {placed.x - width / 2, placed.y - 19},
                                                   {placed.x - width / 2, placed.y + 6},
                                                   {placed.x + 7, placed.y - 18},
                                                   {placed.x + 7, placed.y + 5}}};
  if (series.joined) std::ranges::swap(corners[0], corners[4]);
  for (const auto& [x, y] : corners) {
    const Box box = {x, y, width, kLine};
    const bool inside =
        x >= 0 && x + width <= kFigureWidth && y >= 12 && y + kLine <= chart.height - kBottom + 2;
    if (!inside || std::ranges::any_of(taken, [&](const Box& b) { return b.meets(box); })) continue;
    taken.push_back(box);
    svg.text(x, y + 10, text, Anchor::kStart, fmt::format("n{}", series.colour));
    return;
  }  // if none is free, only the table names it
}

}  // namespace

double label_width(std::string_view text) {
  return kLetter * static_cast<double>(shown_width(text));
}

std::string cut_label(const std::string& text, size_t letters) {
  size_t seen = 0, end = 0;
  for (; end < text.size(); ++end) {
    if (continues_letter(text[end])) continue;
    if (seen++ == letters) break;
  }
  if (end == text.size()) return text;
  return text.substr(0, end) + "\u2026";
}

std::string chart_svg(const Chart& chart) {
  if (values(chart, true).empty()) return "";
  const Frame frame = frame_of(chart);
  Svg svg(kFigureWidth, chart.height, chart.name);
  draw_axes(svg, chart, frame);
  std::vector<std::vector<Placed>> placed;
  for (const ChartSeries& series : chart.series) {
    placed.push_back(draw_series(svg, chart, series, frame));
  }
  std::vector<Box> taken;
  for (const auto& points : placed) {
    for (const Placed& point : points) {
      taken.push_back({point.x - 4, point.y - 4, 8, 8});
    }
  }
  name_series(svg, chart, placed, taken);
  for (size_t i = 0; i < placed.size(); ++i) {
    for (const Placed& point : placed[i]) {
      if (!point.point->label.empty()) label_point(svg, point, chart, chart.series[i], taken);
    }
  }
  return svg.str();
}

}  // namespace mop
