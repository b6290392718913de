// report/score_picture.cc
#include "report/score_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart.h"
#include "report/scale.h"
#include "report/svg.h"

namespace mop {
namespace {

constexpr double kScoreHeight = 132, kScoreTop = 22, kScoreBottom = 34, kScoreLeft = 4,
                 kScoreRight = kFigureWidth - 4;

std::string points_svg(const ScoreCounts& counts) {
  Chart chart;
  chart.name = fmt::format("{} of every layer", counts.criterion);
  chart.height = 160;
  chart.x = {.label = "layer", .whole_numbers = true};
  chart.y.label = counts.criterion;
  double least = INFINITY, most = 0;
  for (const ScoreCounts::One& one : counts.ones) {
    least = std::min(least, one.score);
    most = std::max(most, one.score);
  }
  chart.y.logarithmic = least > 0 && most > 20 * least;
  ChartSeries kept{.name = "kept", .colour = 0, .joined = false},
      removed{.name = "", .colour = 1, .mark = ChartSeries::Mark::kRing, .joined = false};
  for (const ScoreCounts::One& one : counts.ones) {
    (one.removed ? removed : kept)
        .points.push_back(
            {.x = static_cast<double>(one.layer),
             .y = one.score,
             .label = one.removed ? "removed" : "",
             .title = fmt::format("layer {}: {}", one.layer, figure_text(one.score))});
  }
  chart.series = {std::move(kept), std::move(removed)};
  return chart_svg(chart);
}

// One bar per bin, with removed units at the bottom.
void draw_bars(Svg& svg, const ScoreCounts& counts, const Scale& x, double pixels_a_unit) {
  const double base = kScoreHeight - kScoreBottom;
  SvgPath kept, removed;
  const auto bar = [&](double left, double right, int64_t gone, int64_t stays) {
    const double width = std::max(right - left - 0.6, 0.6);
    const double low = static_cast<double>(gone) * pixels_a_unit;
    const double high = static_cast<double>(stays) * pixels_a_unit;
    if (gone > 0) removed.box(left, base - low, width, low);
    if (stays > 0) kept.box(left, base - low - high, width, high);
  };
  for (size_t i = 0; i < counts.kept.size(); ++i) {
    bar(x(counts.edges[i]), x(counts.edges[i + 1]), counts.removed[i], counts.kept[i]);
  }
  if (counts.kept_below + counts.removed_below > 0) {
    bar(kScoreLeft, kScoreLeft + 10, counts.removed_below, counts.kept_below);
    svg.text(kScoreLeft, base + 15, counts.logarithmic ? "0" : "less");
  }
  svg.path(removed.str(), "x4");
  svg.path(kept.str(), "k");
}

int64_t tallest(const ScoreCounts& counts) {
  int64_t most = counts.kept_below + counts.removed_below;
  for (size_t i = 0; i < counts.kept.size(); ++i) {
    most = std::max(most, counts.kept[i] + counts.removed[i]);
  }
  return most;
}

}  // namespace

std::string score_svg(const ScoreCounts& counts) {
  if (!counts.ones.empty()) return points_svg(counts);
  const int64_t most = tallest(counts);
  if (most == 0) return "";
  const double base = kScoreHeight - kScoreBottom;
  const bool below = counts.kept_below + counts.removed_below > 0;
  const Scale x{counts.edges.front(), counts.edges.back(), below ? kScoreLeft + 22 : kScoreLeft,
                kScoreRight, counts.logarithmic};
  Svg svg(
      kFigureWidth, kScoreHeight,
      fmt::format("{}s of step {} by their score, {}", counts.unit, counts.step, counts.criterion));
  svg.rect(0, 3, 10, 9, "x4");
  svg.text(14, 11, "removed");
  svg.rect(70, 3, 10, 9, "k");
  svg.text(84, 11, "kept");
  svg.text(kFigureWidth, 11, fmt::format("tallest bar: {}", with_commas(most)), Anchor::kEnd, "al");
  draw_bars(svg, counts, x, (base - kScoreTop) / static_cast<double>(most));
  for (const Tick& tick : ticks(x, 4)) {
    svg.line(x(tick.value), base, x(tick.value), base + 4, "t");
    svg.text(std::clamp(x(tick.value), 14., kFigureWidth - 14), base + 15, tick.label,
             Anchor::kMiddle);
  }
  svg.line(0, base, kFigureWidth, base, "t");
  svg.text(kFigureWidth, kScoreHeight - 4, fmt::format("score: {}", counts.criterion), Anchor::kEnd,
           "al");
  return svg.str();
}

Table score_table(const ScoreCounts& counts) {
  if (!counts.ones.empty()) {
    Table table({"layer", "score", ""});
    for (const ScoreCounts::One& one : counts.ones) {
      table.add({std::to_string(one.layer), figure_text(one.score), one.removed ? "removed" : ""});
    }
    return table;
  }
  Table table({"score from", "to", "kept", "removed"});
  if (counts.kept_below + counts.removed_below > 0) {
    table.add({"", figure_text(counts.edges.front()), with_commas(counts.kept_below),
               with_commas(counts.removed_below)});
  }
  for (size_t i = 0; i < counts.kept.size(); ++i) {
    table.add({figure_text(counts.edges[i]), figure_text(counts.edges[i + 1]),
               with_commas(counts.kept[i]), with_commas(counts.removed[i])});
  }
  return table;
}

}  // namespace mop
