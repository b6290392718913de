// report/comparison.cc
#include "report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "report/chart.h"
#include "report/scale.h"

namespace mop {
namespace {

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(); }

double last_kl(const RunReport& run) {
  double kl = NAN;
  for (const JudgedModel& model : run.judged) {
    if (model.name != "dense" && std::isfinite(model.kl)) kl = model.kl;
  }
  return kl;
}

std::string csv_cell(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  for (size_t at = text.find('"'); at != text.npos; at = text.find('"', at + 2)) {
    text.insert(at, 1, '"');
  }
  return '"' + text + '"';
}

// Runs with comparable perplexities: the same dense model and held-out text.
std::map<std::pair<std::string, std::string>, std::vector<const RunReport*>> comparable(
    std::span<const RunReport> runs) {
  std::map<std::pair<std::string, std::string>, std::vector<const RunReport*>> groups;
  for (const RunReport& run : runs) {
    if (std::isfinite(run.perplexity())) {
      groups[{run.source_fingerprint, run.judged_on}].push_back(&run);
    }
  }
  return groups;
}

struct SizedPoint {
  std::string name;
  int64_t parameters = 0;
  double value = NAN, error = 0;
  bool is_dense = false;
};

ReportFigure sized_figure(const std::string& title, const std::string& what, bool logarithmic,
                          const std::vector<SizedPoint>& points) {
  Chart chart;
  chart.name = title;
  chart.height = 260;
  chart.x.label = "parameters";
  chart.y = {.label = what, .logarithmic = logarithmic};
  Table table({"model", "parameters", what, "stderr"});
  int colour = 0;
  for (const SizedPoint& point : points) {
    const std::string error = point.error > 0 ? figure_text(point.error) : "";
    table.add({point.name, with_commas(point.parameters), figure_text(point.value), error});
    ChartPoint shown{.x = static_cast<double>(point.parameters), .y = point.value};
    if (point.error > 0) {
      shown.low = point.value - point.error;
      shown.high = point.value + point.error;
    }
    shown.label = point.name;
    shown.title = fmt::format("{}: {} parameters, {} {}", point.name, with_commas(point.parameters),
                              what, figure_text(point.value));
    chart.series.push_back({.name = "",
                            .colour = point.is_dense ? 6 : colour++ % 6,
                            .joined = false,
                            .points = {std::move(shown)}});
  }
  return {.title = title, .svg = chart_svg(chart), .table = std::move(table)};
}

ReportFigure perplexity_figure(const std::vector<const RunReport*>& runs) {
  std::vector<SizedPoint> points;
  const RunReport& first = *runs.front();
  if (first.verb == "prune" && std::isfinite(first.dense_perplexity())) {
    points.push_back({"dense", first.dense_parameters, first.dense_perplexity(), 0, true});
  }
  for (const RunReport* run : runs) {
    points.push_back({run->name, run->parameters, run->perplexity()});
  }
  ReportFigure figure =
      sized_figure("Perplexity against parameters, " + first.model, "perplexity", true, points);
  figure.note = first.protocol;
  return figure;
}

std::vector<ReportFigure> measured_figures(std::span<const Measurement> measurements) {
  std::map<std::string, std::vector<SizedPoint>> points;
  std::map<std::string, bool> lower;
  std::set<std::string> seen;
  for (const Measurement& measurement : measurements) {
    for (const SizedFigure& figure : sized_figures(measurement)) {
      const std::string key = fmt::format("{}\n{}\n{}", figure.what, figure.model, figure.value);
      if (!seen.insert(key).second) continue;  // the same dense model in several files
      points[figure.what].push_back({figure.model, figure.parameters, figure.value, figure.error});
      lower[figure.what] = figure.lower_is_better;
    }
  }
  std::vector<ReportFigure> figures;
  for (const auto& [what, list] : points) {
    const std::string unit = lower[what] ? "perplexity" : "fraction right";
    figures.push_back(sized_figure(what, unit, lower[what], list));
  }
  return figures;
}

Section run_section(const RunReport& run) {
  Section section{.title = run.name};
  section.text = fmt::format("{}{}; {} of {} parameters.", run.verb,
                             run.method.empty() ? "" : ": " + run.method,
                             with_commas(run.parameters), with_commas(run.dense_parameters));
  section.figures = map_figures(run);
  for (ReportFigure& figure : training_figures(run)) section.figures.push_back(std::move(figure));
  section.listing = run.command;
  return section;
}

}  // namespace

Json comparison_rows(std::span<const RunReport> runs) {
  Json rows = Json::array();
  for (const RunReport& run : runs) {
    rows.push_back({{"run", run.name},
                    {"verb", run.verb},
                    {"model", run.model},
                    {"method", run.method},
                    {"seed", run.seed},
                    {"parameters", run.parameters},
                    {"block_parameters", run.block_parameters},
                    {"dense_parameters", run.dense_parameters},
                    {"removed_fraction", finite(run.removed_fraction())},
                    {"block_removed_fraction", finite(run.block_removed_fraction())},
                    {"dense_perplexity", finite(run.dense_perplexity())},
                    {"perplexity", finite(run.perplexity())},
                    {"kl", finite(last_kl(run))},
                    {"judged_on", run.judged_on},
                    {"finished", run.finished}});
  }
  return rows;
}

Table comparison_table(std::span<const RunReport> runs) {
  Table table({"run", "method", "seed", "parameters", "removed", "of layers", "perplexity before",
               "after", "KL"});
  for (const RunReport& run : runs) {
    table.add({run.name + (run.finished ? "" : " (unfinished)"), run.method,
               std::to_string(run.seed), with_commas(run.parameters),
               fraction_text(run.removed_fraction()), fraction_text(run.block_removed_fraction()),
               figure_text(run.dense_perplexity()), figure_text(run.perplexity()),
               figure_text(last_kl(run))});
  }
  return table;
}

std::string csv(const Json& rows) {
  if (rows.empty()) return "";
  std::string out;
  const auto line = [&](const auto& cells) {
    bool first = true;
    for (const std::string& cell : cells) {
      out += (first ? "" : ",") + cell;
      first = false;
    }
    out += "\n";
  };
  std::vector<std::string> head;
  for (const auto& [key, value] : rows[0].items()) head.push_back(csv_cell(key));
  line(head);
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    for (const auto& [key, value] : row.items()) cells.push_back(csv_cell(value));
    line(cells);
  }
  return out;
}

Page comparison_page(std::span<const RunReport> runs, std::span<const Measurement> measurements,
                     const std::string& program) {
  Page page;
  page.title = fmt::format("{} runs compared", runs.size());
  if (runs.empty()) page.title = "Measurements compared";
  const auto groups = comparable(runs);
  if (groups.size() > 1) {
    page.warnings.push_back(fmt::format(
        "Perplexities of these runs come from {} different models or texts: they compare within a "
        "chart, not across.",
        groups.size()));
  }
  Section overview{.title = "Quality against size"};
  for (const auto& [key, list] : groups) {
    if (list.size() > 1 || list[0]->verb == "prune") {
      overview.figures.push_back(perplexity_figure(list));
    }
  }
  for (ReportFigure& figure : measured_figures(measurements)) {
    overview.figures.push_back(std::move(figure));
  }
  if (!runs.empty()) {
    overview.figures.push_back({.title = "All runs", .table = comparison_table(runs)});
  }
  page.sections.push_back(std::move(overview));
  for (const RunReport& run : runs) page.sections.push_back(run_section(run));
  for (const Measurement& measurement : measurements) {
    page.sections.push_back(
        {.title = measurement.name, .figures = measurement_figures(measurement)});
  }
  page.footer = "Made by " + program + ".";
  return page;
}

}  // namespace mop
