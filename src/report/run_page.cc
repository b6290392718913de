// report/run_page.cc -- the page of one run.
#include <fmt/format.h>

#include <algorithm>

#include "report/chart.h"
#include "report/run_report.h"
#include "report/scale.h"

namespace mop {
namespace {

std::string times_text(double before, double after) {
  if (!(before > 0) || !std::isfinite(after)) return "";
  return fmt::format("{:+.1f}%", 100 * (after / before - 1));
}

// "kv-cache, a token"
std::string cost_name(const ReportedCost& cost) {
  const size_t of = cost.unit.find(" a ");
  return of == cost.unit.npos ? cost.name : cost.name + "," + cost.unit.substr(of);
}

// Formats bytes and counts in readable units, times in ms.
std::string cost_text(const ReportedCost& cost, double value) {
  if (cost.unit.starts_with("bytes")) {
    return short_bytes(static_cast<int64_t>(value));
  }
  if (cost.unit.starts_with("ns ")) return figure_text(value / 1e6) + " ms";
  return with_commas(static_cast<int64_t>(value));
}

ReportFigure summary(const RunReport& run) {
  const bool pruned = run.verb == "prune";
  Table table({"", pruned ? "dense" : "before", pruned ? "pruned" : "after", "change"});
  const auto row = [&](const char* name, int64_t before, int64_t after) {
    if (after == 0) return;
    const auto b = static_cast<double>(before), a = static_cast<double>(after);
    table.add(
        {name, before == 0 ? "-" : with_commas(before), with_commas(after), times_text(b, a)});
  };
  row("parameters", pruned ? run.dense_parameters : run.parameters, run.parameters);
  row("parameters in layers", pruned ? run.dense_block_parameters : run.block_parameters,
      run.block_parameters);
  for (const ReportedCost& cost : run.costs) {
    table.add({cost_name(cost), cost_text(cost, cost.dense), cost_text(cost, cost.now),
               times_text(cost.dense, cost.now)});
  }
  for (const JudgedModel& judged : run.judged) {
    if (judged.name == "dense" || judged.name == "before") continue;
    table.add({fmt::format("perplexity, {}", judged.name), figure_text(run.dense_perplexity()),
               figure_text(judged.perplexity),
               times_text(run.dense_perplexity(), judged.perplexity)});
    if (std::isfinite(judged.kl)) {
      table.add({fmt::format("KL to dense, {}, nats a token", judged.name), "0",
                 figure_text(judged.kl), ""});
    }
  }
  if (table.empty()) return {};
  std::string note = run.protocol.empty() ? "" : "Perplexity: " + run.protocol + ".";
  if (std::ranges::any_of(run.costs,
                          [](const auto& cost) { return cost.unit.starts_with("ns "); })) {
    note += " Times follow from those of units, measured on the machine of the run.";
  }
  return {.title = "In numbers", .note = std::move(note), .table = std::move(table)};
}

Table step_table(const RunReport& run) {
  Table table({"step", "branch", "candidate", "perplexity", "KL", "cosine", "shape after",
               "parameters", "removed", "of layers"});
  for (const ReportedStep& step : run.steps) {
    std::vector<ReportedCandidate> candidates = step.candidates;
    if (candidates.empty()) candidates.emplace_back();
    bool first = true;
    for (const ReportedCandidate& one : candidates) {
      const auto once = [&](std::string cell) { return first ? std::move(cell) : std::string(); };
      const bool taken = !one.branch.empty() && one.branch == step.branch;
      table.add({once(std::to_string(step.number)), once(step.branch),
                 one.branch + (taken ? " (taken)" : ""), figure_text(one.perplexity),
                 figure_text(one.kl), figure_text(one.cosine), once(step.shape),
                 once(with_commas(step.parameters)), once(fraction_text(step.removed_fraction)),
                 once(fraction_text(step.block_removed_fraction))});
      first = false;
    }
  }
  return table;
}

std::vector<std::string> branches_of(const RunReport& run) {
  std::vector<std::string> names;
  for (const ReportedStep& step : run.steps) {
    for (const ReportedCandidate& candidate : step.candidates) {
      if (std::ranges::find(names, candidate.branch) == names.end()) {
        names.push_back(candidate.branch);
      }
    }
  }
  return names;
}

// Perplexity of every evaluated candidate, with a line through the selected ones.
std::string path_svg(const RunReport& run) {
  ChartSeries taken{.name = "", .colour = 6, .mark = ChartSeries::Mark::kNone, .faint = true};
  if (std::isfinite(run.dense_perplexity())) {
    taken.points.push_back({.x = 0, .y = run.dense_perplexity()});
  }
  std::vector<ChartSeries> dots;
  int colour = 0;
  for (const std::string& branch : branches_of(run)) {
    ChartSeries chosen{.name = branch, .colour = colour % 6, .joined = false},
        left{.name = "", .colour = colour % 6, .mark = ChartSeries::Mark::kRing, .joined = false};
    for (const ReportedStep& step : run.steps) {
      for (const ReportedCandidate& candidate : step.candidates) {
        if (candidate.branch != branch) continue;
        const bool is_taken = branch == step.branch;
        (is_taken ? chosen : left)
            .points.push_back({.x = static_cast<double>(step.number),
                               .y = candidate.perplexity,
                               .title = fmt::format("step {}, {}: perplexity {}{}", step.number,
                                                    branch, figure_text(candidate.perplexity),
                                                    is_taken ? ", taken" : "")});
      }
    }
    if (std::ranges::none_of(chosen.points,
                             [](const ChartPoint& p) { return std::isfinite(p.y); })) {
      left.name = branch;
    }
    dots.push_back(std::move(left));
    dots.push_back(std::move(chosen));
    ++colour;
  }
  for (const ReportedStep& step : run.steps) {
    for (const ReportedCandidate& candidate : step.candidates) {
      if (candidate.branch != step.branch) continue;
      taken.points.push_back({.x = static_cast<double>(step.number), .y = candidate.perplexity});
    }
  }
  Chart chart;
  chart.name = "perplexity of the candidates of every step";
  chart.x = {.label = "step", .whole_numbers = true};
  chart.y = {.label = "perplexity on held-out text", .logarithmic = true};
  chart.series = {std::move(taken)};
  chart.series.insert(chart.series.end(), dots.begin(), dots.end());
  return chart_svg(chart);
}

bool was_judged(const RunReport& run) {
  return std::ranges::any_of(run.steps, [](const ReportedStep& step) {
    return std::ranges::any_of(step.candidates, [](const ReportedCandidate& candidate) {
      return std::isfinite(candidate.perplexity);
    });
  });
}

// Remaining parameters after every step.
std::string sizes_svg(const RunReport& run) {
  ChartSeries left{.name = "", .colour = 0};
  left.points.push_back({.x = 0, .y = static_cast<double>(run.dense_parameters), .label = "dense"});
  for (const ReportedStep& step : run.steps) {
    left.points.push_back({.x = static_cast<double>(step.number),
                           .y = static_cast<double>(step.parameters),
                           .label = run.steps.size() <= 8 ? step.branch : "",
                           .title = fmt::format("step {}, {}: {} parameters", step.number,
                                                step.branch, with_commas(step.parameters))});
  }
  Chart chart;
  chart.name = "parameters left after every step";
  chart.x = {.label = "step", .whole_numbers = true};
  chart.y.label = "parameters left";
  chart.series = {std::move(left)};
  return chart_svg(chart);
}

Section path_section(const RunReport& run) {
  Section section{.title = "The path"};
  if (run.steps.empty()) return section;
  const bool judged = was_judged(run);
  if (judged) {
    section.figures.push_back(
        {.title = "Candidates of every step",
         .svg = path_svg(run),
         .note = "Filled: taken. Ring: judged and left. The line begins with the dense model.",
         .table = step_table(run)});
  }
  Table sizes({"step", "branch", "parameters", "removed", "shape after"});
  for (const ReportedStep& step : run.steps) {
    sizes.add({std::to_string(step.number), step.branch, with_commas(step.parameters),
               fraction_text(step.removed_fraction), step.shape});
  }
  section.figures.push_back({.title = "Size after every step",
                             .svg = sizes_svg(run),
                             .note = judged ? ""
                                            : "No candidates were judged: the path "
                                              "was given, drawn, or had one way.",
                             .table = std::move(sizes)});
  return section;
}

std::vector<ReportFigure> score_figures(const RunReport& run) {
  std::vector<ReportFigure> figures;
  for (const ScoreCounts& counts : run.scores) {
    figures.push_back(
        {.title = fmt::format("Step {}: {}s by {}", counts.step, counts.unit, counts.criterion),
         .svg = score_svg(counts),
         .table = score_table(counts)});
  }
  return figures;
}

Section repeat_section(const RunReport& run) {
  Section section{.title = "Doing it again"};
  if (!run.command.empty()) {
    section.text =
        "The same command gives the same bytes. Paths are those of the run's command; run/ is "
        "beside "
        "the result's weights.";
  }
  section.listing = run.command;
  if (!run.recipe.empty()) {
    section.listing +=
        fmt::format("{}# run/recipe.yaml\n{}", run.command.empty() ? "" : "\n\n", run.recipe);
  }
  return section;
}

}  // namespace

double RunReport::perplexity() const {
  double last = NAN;
  for (const JudgedModel& model : judged) {
    if (std::isfinite(model.perplexity) && model.name != "dense") last = model.perplexity;
  }
  return last;
}

double RunReport::dense_perplexity() const {
  for (const JudgedModel& model : judged) {
    if (model.name == "dense" || model.name == "before") return model.perplexity;
  }
  return NAN;
}

double RunReport::removed_fraction() const {
  if (dense_parameters == 0) return NAN;
  return 1 - static_cast<double>(parameters) / static_cast<double>(dense_parameters);
}

double RunReport::block_removed_fraction() const {
  if (dense_block_parameters == 0) return NAN;
  return 1 - static_cast<double>(block_parameters) / static_cast<double>(dense_block_parameters);
}

std::vector<ReportFigure> map_figures(const RunReport& run) {
  std::vector<ReportFigure> figures;
  for (const UnitMap& map : run.maps) {
    figures.push_back({.title = map.title,
                       .svg = unit_map_svg(map),
                       .note = "Numbered as in the dense model.",
                       .table = unit_map_table(map)});
  }
  return figures;
}

Page run_page(const RunReport& run) {
  Page page;
  page.title = run.model.empty() ? run.name : run.model;
  page.subtitle = fmt::format("mop {}{}{}", run.verb, run.method.empty() ? "" : ": ", run.method);
  if (!run.finished)
    page.warnings.emplace_back("This run has not finished: what it has left so far.");
  page.facts = run.facts;
  Section numbers{.title = "What it comes to"};
  ReportFigure figure = summary(run);
  if (!figure.table.empty()) numbers.figures.push_back(std::move(figure));
  page.sections.push_back(std::move(numbers));
  page.sections.push_back({.title = "What was removed", .figures = map_figures(run)});
  page.sections.push_back(
      {.title = "What units cost in time", .figures = latency_figures(run.latency)});
  page.sections.push_back({.title = "Why: scores",
                           .text = run.scores.empty() ? ""
                                                      : "Higher is kept where a budget "
                                                        "allows; layers may have "
                                                        "budgets of their own.",
                           .figures = score_figures(run)});
  page.sections.push_back(path_section(run));
  page.sections.push_back({.title = "Training", .figures = training_figures(run)});
  page.sections.push_back(repeat_section(run));
  page.footer = "Made by " + run.program + ".";
  page.times = run.times;
  return page;
}

}  // namespace mop
