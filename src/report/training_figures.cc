// report/training_figures.cc -- loss curves and trials of learning rates.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "report/chart.h"
#include "report/run_report.h"
#include "report/scale.h"

namespace mop {
namespace {

constexpr size_t kMostPoints = 240;  // per curve: about one per pixel column

// Steps per point of a curve.
size_t steps_a_point(size_t steps) {
  return std::max<size_t>((steps + kMostPoints - 1) / kMostPoints, 1);
}

// Long curves are reduced to means of equal intervals.
std::vector<ReportedTraining::Step> thinned(const std::vector<ReportedTraining::Step>& all) {
  const size_t each = steps_a_point(all.size());
  if (each == 1) return all;
  std::vector<ReportedTraining::Step> few;
  for (size_t begin = 0; begin < all.size(); begin += each) {
    const size_t end = std::min(begin + each, all.size());
    ReportedTraining::Step mean{0, 0};
    for (size_t i = begin; i < end; ++i) {
      mean.step += all[i].step;
      mean.loss += all[i].loss;
    }
    mean.step /= static_cast<double>(end - begin);
    mean.loss /= static_cast<double>(end - begin);
    few.push_back(mean);
  }
  return few;
}

ChartSeries curve(const std::string& name, int colour,
                  const std::vector<ReportedTraining::Step>& steps, bool faint) {
  const bool sparse = steps.size() <= 24;
  ChartSeries series{.name = name,
                     .colour = colour,
                     .mark = sparse ? ChartSeries::Mark::kDot : ChartSeries::Mark::kNone,
                     .faint = faint && !sparse};
  for (const ReportedTraining::Step& step : steps) {
    series.points.push_back(
        {.x = step.step,
         .y = step.loss,
         .title = sparse ? fmt::format("step {}: {}", step.step, figure_text(step.loss)) : ""});
  }
  return series;
}

ReportFigure loss_figure(const ReportedTraining& training) {
  const auto losses = thinned(training.losses), held_out = thinned(training.held_out);
  Chart chart;
  chart.name = training.title + ": loss by step";
  chart.x = {.label = "step", .whole_numbers = true};
  chart.y.label = "loss, nats a token";
  chart.series = {curve("training", 0, losses, true), curve("held out", 1, held_out, false)};
  Table table({"step", "training loss", "held-out loss"});
  std::set<double> steps;
  for (const auto& step : losses) steps.insert(step.step);
  for (const auto& step : held_out) steps.insert(step.step);
  const auto at = [](const std::vector<ReportedTraining::Step>& all, double step) {
    const auto found = std::ranges::find(all, step, &ReportedTraining::Step::step);
    return found == all.end() ? std::string() : figure_text(found->loss);
  };
  for (const double step : steps) {
    table.add({fmt::format("{:g}", step), at(losses, step), at(held_out, step)});
  }
  const size_t each = steps_a_point(training.losses.size());
  return {.title = training.title,
          .svg = chart_svg(chart),
          .note = each > 1
                      ? fmt::format("Each point of the training loss is a mean of {} steps.", each)
                      : "",
          .table = std::move(table)};
}

ReportFigure trial_figure(const ReportedTraining& training) {
  ChartSeries series{.name = "", .colour = 0};
  Table table({"learning rate", "held-out loss", ""});
  for (const ReportedTraining::Trial& trial : training.trials) {
    const bool chosen = trial.learning_rate == training.chosen_rate;
    series.points.push_back(
        {.x = trial.learning_rate,
         .y = trial.nll,
         .label = chosen ? "taken" : "",
         .title = fmt::format("{:g}: {}", trial.learning_rate, figure_text(trial.nll))});
    table.add(
        {fmt::format("{:g}", trial.learning_rate), figure_text(trial.nll), chosen ? "taken" : ""});
  }
  Chart chart;
  chart.name = "held-out loss by learning rate";
  chart.x = {.label = "learning rate", .logarithmic = true};
  chart.y.label = "held-out loss after the trial, nats a token";
  chart.series = {std::move(series)};
  return {.title = training.title + ": learning rates that were tried",
          .svg = chart_svg(chart),
          .table = std::move(table)};
}

}  // namespace

std::vector<ReportFigure> training_figures(const RunReport& run) {
  std::vector<ReportFigure> figures;
  for (const ReportedTraining& training : run.trainings) {
    if (!training.losses.empty() || !training.held_out.empty()) {
      figures.push_back(loss_figure(training));
    }
    if (!training.trials.empty()) figures.push_back(trial_figure(training));
  }
  return figures;
}

}  // namespace mop
