// report/unit_map.cc
#include "report/unit_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "report/chart.h"
#include "report/svg.h"

namespace mop {
namespace {

constexpr double kStripLeft = 26, kStripWidth = 232, kBarLeft = 268, kBarWidth = 50, kMapTop = 36;
constexpr double kColumn = 3;  // pixels of a column for several units
constexpr size_t kLevels = 4;  // shades of such a column

// Formats ranges such as "0-13, 15", at most about `letters` characters.
std::string runs_text(const std::vector<UnitRun>& runs, size_t letters) {
  std::string text;
  for (const UnitRun& run : runs) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", run.first);
    if (run.last > run.first) text += fmt::format("-{}", run.last);
    if (text.size() > letters) return cut_label(text, letters);
  }
  return text;
}

std::string what_went(const UnitRow& row, size_t letters) {
  if (row.gone == UnitRow::Gone::kWhole)
    return fmt::format("all, with the layer (step {})", row.gone_step);
  if (row.gone == UnitRow::Gone::kHalf)
    return fmt::format("all, with their half (step {})", row.gone_step);
  std::map<int64_t, std::vector<UnitRun>> by_step;
  for (const UnitRun& run : row.removed) by_step[run.step].push_back(run);
  std::string text;
  for (const auto& [step, runs] : by_step) {
    text += fmt::format("{}{} (step {})", text.empty() ? "" : "; ",
                        runs_text(runs, letters / by_step.size()), step);
  }
  return text.empty() ? "none" : text;
}

double row_height(const UnitMap& map) {
  return std::clamp(std::floor(340 / static_cast<double>(map.rows.size())), 4., 16.);
}

// Shade 1 to kLevels of each cell of a row; 0 = nothing removed.
std::vector<size_t> levels(const UnitRow& row, size_t cells) {
  std::vector<double> gone(cells, 0);
  const double units_a_cell = static_cast<double>(row.units) / static_cast<double>(cells);
  for (const UnitRun& run : row.removed) {
    const double begin = static_cast<double>(run.first) / units_a_cell;
    const double end =
        std::min(static_cast<double>(run.last + 1) / units_a_cell, static_cast<double>(cells));
    for (auto cell = static_cast<size_t>(begin); static_cast<double>(cell) < end; ++cell) {
      const auto left = static_cast<double>(cell);
      gone[cell] += std::min(end, left + 1) - std::max(begin, left);
    }
  }
  std::vector<size_t> shades;
  for (const double part : gone) {
    const double level = std::ceil(part * static_cast<double>(kLevels) - 1e-6);
    shades.push_back(std::min(static_cast<size_t>(std::max(level, 0.)), kLevels));
  }
  return shades;
}

// The removed part of a strip, one path per shade.
void draw_removed(Svg& svg, const UnitRow& row, double y, double height, double width) {
  const auto columns = static_cast<size_t>(width / kColumn);
  const auto units = static_cast<size_t>(row.units);
  const size_t cells = std::min(units, std::max<size_t>(columns, 1));
  const double cell = width / static_cast<double>(cells);
  const std::vector<size_t> shades = levels(row, cells);
  std::array<SvgPath, kLevels> paths;
  for (size_t begin = 0; begin < cells;) {
    size_t end = begin + 1;
    while (end < cells && shades[end] == shades[begin]) ++end;
    if (shades[begin] > 0) {
      paths[shades[begin] - 1].box(kStripLeft + static_cast<double>(begin) * cell, y,
                                   static_cast<double>(end - begin) * cell, height);
    }
    begin = end;
  }
  for (size_t i = 0; i < kLevels; ++i) svg.path(paths[i].str(), fmt::format("x{}", i + 1));
  if (cells == units && cell >= 6) {  // one cell per unit
    SvgPath gaps;
    for (size_t i = 1; i < cells; ++i) {
      gaps.box(kStripLeft + static_cast<double>(i) * cell - 0.5, y, 1, height);
    }
    svg.path(gaps.str(), "gap");
  }
}

struct Size {
  int64_t largest = 1;  ///< units of a row
  double height = 0;    ///< of a row
};

void draw_row(Svg& svg, const UnitMap& map, const UnitRow& row, double y, const Size& size) {
  svg.begin(fmt::format("{} {}: {} of {} {} left; went: {}", map.row, row.name, row.kept(),
                        row.units, map.units, what_went(row, 120)));
  const double inner = size.height - (size.height >= 8 ? 2 : 1), middle = y + inner / 2;
  const double share = static_cast<double>(row.units) / static_cast<double>(size.largest);
  const bool labelled = size.height >= 9;
  if (row.gone != UnitRow::Gone::kUnits) {
    const bool whole = row.gone == UnitRow::Gone::kWhole;
    svg.line(kStripLeft, middle, kStripLeft + kStripWidth, middle, whole ? "gl" : "gh");
    if (labelled) svg.text(kBarLeft, middle + 4, whole ? "layer gone" : "half gone", {}, "nx");
  } else if (row.units > 0) {
    svg.rect(kStripLeft, y, kStripWidth * share, inner, "k");
    draw_removed(svg, row, y, inner, kStripWidth * share);
    const double bar =
        kBarWidth * static_cast<double>(row.kept()) / static_cast<double>(size.largest);
    svg.rect(kBarLeft, y, bar, inner, "k");
    if (labelled) svg.text(kBarLeft + bar + 4, middle + 4, std::to_string(row.kept()));
  }
  svg.end();
}

void draw_legend(Svg& svg, const UnitMap& map) {
  const auto has = [&](UnitRow::Gone gone) {
    return std::ranges::any_of(map.rows, [&](const UnitRow& row) { return row.gone == gone; });
  };
  double x = kStripLeft;
  const auto word = [&](const char* text) {
    svg.text(x + 14, 11, text);
    x += 14 + label_width(text) + 12;
  };
  svg.rect(x, 3, 10, 9, "k");
  word("left");
  svg.rect(x, 3, 10, 9, "x4");
  word("removed");
  if (has(UnitRow::Gone::kHalf)) {
    svg.line(x, 7.5, x + 10, 7.5, "gh");
    word("half gone");
  }
  if (has(UnitRow::Gone::kWhole)) {
    svg.line(x, 7.5, x + 10, 7.5, "gl");
    word("layer gone");
  }
}

}  // namespace

int64_t UnitRow::kept() const {
  if (gone != Gone::kUnits) return 0;
  int64_t left = units;
  for (const UnitRun& run : removed) left -= run.last - run.first + 1;
  return left;
}

std::string unit_map_svg(const UnitMap& map) {
  if (map.rows.empty()) return "";
  Size size{1, row_height(map)};
  for (const UnitRow& row : map.rows) size.largest = std::max(size.largest, row.units);
  const double bottom = kMapTop + size.height * static_cast<double>(map.rows.size());
  Svg svg(kFigureWidth, bottom + 16,
          fmt::format("{}: which are left in each {}", map.title, map.row));
  draw_legend(svg, map);
  svg.text(0, kMapTop - 6, map.row, Anchor::kStart, "al");
  svg.text(kBarLeft, kMapTop - 6, fmt::format("left, of {}", size.largest), Anchor::kStart, "al");
  const size_t every = size.height >= 11 ? 1 : map.rows.size() > 50 ? 10 : 5;
  for (size_t i = 0; i < map.rows.size(); ++i) {
    const double y = kMapTop + size.height * static_cast<double>(i);
    if (i % every == 0) {
      svg.text(kStripLeft - 5, y + size.height / 2 + 3, map.rows[i].name, Anchor::kEnd);
    }
    draw_row(svg, map, map.rows[i], y, size);
  }
  svg.text(kStripLeft, bottom + 12, "0");
  svg.text(kStripLeft + kStripWidth, bottom + 12, std::to_string(size.largest - 1), Anchor::kEnd);
  svg.text(kStripLeft + kStripWidth / 2, bottom + 12, map.units, Anchor::kMiddle, "al");
  return svg.str();
}

Table unit_map_table(const UnitMap& map) {
  Table table({map.row, "dense", "left", "removed"});
  for (const UnitRow& row : map.rows) {
    table.add({row.name, with_commas(row.units), with_commas(row.kept()), what_went(row, 60)});
  }
  return table;
}

}  // namespace mop
