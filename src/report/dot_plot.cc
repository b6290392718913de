// report/dot_plot.cc
#include "report/dot_plot.h"

#include <fmt/format.h>

#include "report/chart.h"
#include "report/scale.h"
#include "report/svg.h"

namespace mop {
namespace {

constexpr double kDotsTop = 22, kDotsBottom = 34, kDotsRow = 32, kDotsMargin = 14;

void draw_dot(Svg& svg, const DotPlot& plot, const DotRow& row, const DotValue& dot, double y,
              const Scale& x) {
  if (!std::isfinite(dot.value)) return;
  if (std::isfinite(dot.low) && std::isfinite(dot.high)) {
    svg.line(x(dot.low), y, x(dot.high), y, fmt::format("w s{}", dot.series));
  }
  svg.circle(x(dot.value), y, 4, fmt::format("f{}", dot.series),
             fmt::format("{}, {}: {}", row.name, plot.series[dot.series], figure_text(dot.value)));
}

void draw_dot_legend(Svg& svg, const DotPlot& plot) {
  double at = 4;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const std::string name = cut_label(plot.series[i], 24);
    svg.circle(at, 8, 4, fmt::format("f{}", i));
    svg.text(at + 8, 12, name, Anchor::kStart, fmt::format("n{}", i));
    at += 8 + label_width(name) + 16;
  }
}

}  // namespace

std::string dot_plot_svg(const DotPlot& plot) {
  std::vector<double> values = {plot.mark};
  bool any = false;
  for (const DotRow& row : plot.rows) {
    for (const DotValue& dot : row.values) {
      any = any || std::isfinite(dot.value);
      values.insert(values.end(), {dot.value, dot.low, dot.high});
    }
  }
  if (!any) return "";
  const double base = kDotsTop + kDotsRow * static_cast<double>(plot.rows.size());
  const Scale x = scale_of(values, false, kDotsMargin, kFigureWidth - kDotsMargin);
  Svg svg(kFigureWidth, base + kDotsBottom, plot.name);
  draw_dot_legend(svg, plot);
  for (const Tick& tick : ticks(x, 5)) {
    svg.line(x(tick.value), kDotsTop, x(tick.value), base + 4, "g");
    svg.text(x(tick.value), base + 16, tick.label, Anchor::kMiddle);
  }
  if (std::isfinite(plot.mark)) svg.line(x(plot.mark), kDotsTop, x(plot.mark), base + 4, "t");
  for (size_t i = 0; i < plot.rows.size(); ++i) {
    const double top = kDotsTop + kDotsRow * static_cast<double>(i);
    svg.text(0, top + 13, cut_label(plot.rows[i].name, 58), Anchor::kStart, "al hl");
    svg.line(0, top + 23, kFigureWidth, top + 23, "g");
    for (const DotValue& dot : plot.rows[i].values) {
      draw_dot(svg, plot, plot.rows[i], dot, top + 23, x);
    }
  }
  svg.text(kFigureWidth, base + kDotsBottom - 4, plot.axis, Anchor::kEnd, "al");
  return svg.str();
}

}  // namespace mop
