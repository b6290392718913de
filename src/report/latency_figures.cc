// report/latency_figures.cc -- times of a token by the units of the models that were timed.
#include <fmt/format.h>

#include <algorithm>

#include "report/chart.h"
#include "report/run_report.h"
#include "report/scale.h"

namespace mop {
namespace {

using Sample = ReportedLatency::Sample;

constexpr double kMilliseconds = 1e3;

// Models of one kind of half, by its units.
struct Kind {
  const char *title, *half, *units;
  int64_t Sample::*halves;
  int64_t Sample::*count;
  int64_t Sample::*others;  ///< halves of the other kind
};
constexpr Kind kKinds[] = {
    {"Time by KV groups", "attention", "KV groups", &Sample::attentions, &Sample::kv_groups,
     &Sample::mlps},
    {"Time by neurons", "MLP", "neurons", &Sample::mlps, &Sample::neurons, &Sample::attentions}};

std::vector<Sample> samples_of(const ReportedLatency& latency, const Kind& kind) {
  std::vector<Sample> samples;
  for (const Sample& sample : latency.samples) {
    if (sample.*kind.halves > 0 && sample.*kind.others == 0) samples.push_back(sample);
  }
  std::ranges::sort(samples, {}, kind.count);
  return samples;
}

std::string svg_of(const ReportedLatency& latency, const Kind& kind) {
  ChartSeries fit{.name = "", .colour = 6, .mark = ChartSeries::Mark::kNone, .faint = true};
  ChartSeries measured{.name = "", .colour = 0, .joined = false};
  for (const Sample& sample : samples_of(latency, kind)) {
    const auto x = static_cast<double>(sample.*kind.count);
    const double time = sample.seconds * kMilliseconds;
    const double line = latency.fitted(sample) * kMilliseconds;
    fit.points.push_back({.x = x, .y = line});
    measured.points.push_back(
        {.x = x,
         .y = time,
         .title = fmt::format("{} {}: {} ms measured, {} ms fitted", sample.*kind.count, kind.units,
                              figure_text(time), figure_text(line))});
  }
  Chart chart;
  chart.name = fmt::format("time of a token by {}", kind.units);
  chart.x = {.label = fmt::format("{} of all layers of the model that was timed", kind.units),
             .whole_numbers = true};
  chart.y.label = "ms a token";
  chart.series = {std::move(fit), std::move(measured)};
  return chart_svg(chart);
}

Table table_of(const ReportedLatency& latency) {
  Table table({"attention halves", "KV groups", "MLPs", "neurons", "measured, ms", "fitted, ms"});
  for (const Sample& sample : latency.samples) {
    table.add({with_commas(sample.attentions), with_commas(sample.kv_groups),
               with_commas(sample.mlps), with_commas(sample.neurons),
               figure_text(sample.seconds * kMilliseconds),
               figure_text(latency.fitted(sample) * kMilliseconds)});
  }
  return table;
}

}  // namespace

double ReportedLatency::fitted(const Sample& sample) const {
  return outside + attention * static_cast<double>(sample.attentions) +
         kv_group * static_cast<double>(sample.kv_groups) + mlp * static_cast<double>(sample.mlps) +
         neuron * static_cast<double>(sample.neurons);
}

std::vector<ReportFigure> latency_figures(const ReportedLatency& latency) {
  std::vector<ReportFigure> figures;
  if (latency.samples.empty()) return figures;
  for (const Kind& kind : kKinds) {
    if (samples_of(latency, kind).empty()) continue;
    figures.push_back({.title = kind.title,
                       .svg = svg_of(latency, kind),
                       .note = fmt::format(
                           "Dots: measured, of models of {} halves alone. Line: what was fitted to "
                           "all models that were timed, by which the run counts.",
                           kind.half),
                       .table = table_of(latency)});
  }
  return figures;
}

}  // namespace mop
