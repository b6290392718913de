// report/measurements.cc
#include "report/measurements.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/read_values.h"
#include "report/dot_plot.h"
#include "report/scale.h"

namespace mop {
namespace {

// "runs/small/" -> "small"
std::string last_part(const std::string& path) {
  const std::filesystem::path whole = path;
  return whole.has_filename() ? whole.filename().string() : whole.parent_path().filename().string();
}

std::string spread_text(const Json& spread, double factor, const char* unit) {
  return fmt::format("{}{} ({} to {})", figure_text(number_of(spread, "median") * factor), unit,
                     figure_text(number_of(spread, "min") * factor),
                     figure_text(number_of(spread, "max") * factor));
}

constexpr const char* kTimes[][3] = {{"first_token_seconds", "first_token", "time to first token"},
                                     {"token_seconds", "token", "time per token"},
                                     {"total_seconds", "total", "whole request"}};

// Returns element `i` of a list; null if there is none.
const Json& element_of(const Json& list, size_t i) {
  static const Json kNone;
  return list.is_array() && i < list.size() ? list[i] : kNone;
}

std::string ratio_svg(const Measurement& measurement) {
  const Json& json = measurement.json;
  const Json &model = element_of(json["models"], 0), &other = element_of(json["models"], 1);
  DotPlot plot{.name = "times and sizes relative to the other model",
               .axis = fmt::format("{} / {}", measurement.name, last_part(word_of(other, "model"))),
               .series = {"ratio, range over rounds"},
               .rows = {},
               .mark = 1};
  for (const auto& [key, ratio, name] : kTimes) {
    const Json& spread = part_of(element_of(json["ratios"], 0), ratio);
    plot.rows.push_back(
        {name,
         {{0, number_of(spread, "median"), number_of(spread, "min"), number_of(spread, "max")}}});
  }
  for (const auto& [key, name] : {std::pair{"weight_bytes", "weights read a step"},
                                  std::pair{"kv_cache_bytes", "KV cache"}}) {
    plot.rows.push_back({name, {{0, number_of(model, key) / number_of(other, key)}}});
  }
  return dot_plot_svg(plot);
}

std::vector<ReportFigure> bench_figures(const Measurement& measurement) {
  const Json& models = measurement.json["models"];
  std::vector<std::string> head = {""};
  for (const Json& model : models) head.push_back(last_part(word_of(model, "model")));
  Table table(head);
  const auto row = [&](const char* name, const auto& cell) {
    std::vector<std::string> cells = {name};
    for (const Json& model : models) cells.push_back(cell(model));
    table.add(std::move(cells));
  };
  for (const auto& [key, ratio, name] : kTimes) {
    const char* field = key;
    row(name, [&](const Json& model) { return spread_text(part_of(model, field), 1000, " ms"); });
  }
  for (const auto& [key, name] :
       {std::pair{"weight_bytes", "weights read a step"}, std::pair{"kv_cache_bytes", "KV cache"},
        std::pair{"peak_anonymous_bytes", "peak memory, anonymous"},
        std::pair{"peak_mapped_bytes", "peak memory, mapped"}}) {
    const char* field = key;
    row(name, [&](const Json& model) { return short_bytes(whole_of(model, field)); });
  }
  row("parameters", [](const Json& model) { return with_commas(whole_of(model, "parameters")); });
  const Json& json = measurement.json;
  std::string note = fmt::format(
      "{} prompt and {} new tokens, batch {}, {}, {} threads; median of {} requests, smallest to "
      "largest; {}. Others used {:.1f}% of the machine.",
      whole_of(json, "prompt_tokens"), whole_of(json, "new_tokens"), whole_of(json, "batch"),
      word_of(json, "dtype"), whole_of(json, "threads"), whole_of(json, "repeats"),
      word_of(json, "machine"), 100 * number_of(json, "foreign_load"));
  std::vector<ReportFigure> figures;
  if (models.size() > 1 && !part_of(json, "ratios").empty()) {
    figures.push_back({.title = "Relative to the other model",
                       .svg = ratio_svg(measurement),
                       .note = "Left of 1 is less.",
                       .table = table});
  }
  figures.push_back(
      {.title = "Times and memory", .note = std::move(note), .table = std::move(table)});
  return figures;
}

struct TaskFigure {
  std::string task, metric;
  double value = NAN, error = NAN, other = NAN, other_error = NAN;
};

std::vector<TaskFigure> task_figures_of(const Json& json) {
  std::vector<TaskFigure> all;
  const Json& others = part_of(part_of(part_of(json, "mop"), "versus"), "results");
  for (const auto& [task, metrics] : part_of(json, "results").items()) {
    for (const auto& [key, value] : metrics.items()) {
      const size_t comma = key.find(",none");
      if (comma == key.npos || !value.is_number() || key.find("_stderr") != key.npos) continue;
      const std::string metric = key.substr(0, comma), error = metric + "_stderr,none";
      const Json& other = part_of(others, task.c_str());
      all.push_back({task, metric, value.get<double>(), number_of(metrics, error.c_str()),
                     number_of(other, key.c_str()), number_of(other, error.c_str())});
    }
  }
  return all;
}

bool is_accuracy(const std::string& metric) {
  return metric.starts_with("acc") || metric == "f1" || metric == "exact_match";
}

std::vector<ReportFigure> tasks_figures(const Measurement& measurement) {
  const std::vector<TaskFigure> all = task_figures_of(measurement.json);
  const bool two = part_of(measurement.json, "mop").contains("versus");
  DotPlot plot{.name = "accuracy of every task",
               .axis = "fraction, with its standard error",
               .series = {measurement.name},
               .rows = {}};
  if (two) plot.series.emplace_back("--vs");
  Table table(two ? std::vector<std::string>{"task", "metric", "--vs", "stderr", "model", "stderr"}
                  : std::vector<std::string>{"task", "metric", "value", "stderr"});
  for (const TaskFigure& figure : all) {
    std::vector<std::string> cells = {figure.task, figure.metric};
    if (two) {
      cells.push_back(figure_text(figure.other));
      cells.push_back(figure_text(figure.other_error));
    }
    cells.push_back(figure_text(figure.value));
    cells.push_back(figure_text(figure.error));
    table.add(std::move(cells));
    if (!is_accuracy(figure.metric)) continue;
    DotRow row{figure.task + ", " + figure.metric, {}};
    if (two) {
      row.values.push_back(
          {1, figure.other, figure.other - figure.other_error, figure.other + figure.other_error});
    }
    row.values.push_back(
        {0, figure.value, figure.value - figure.error, figure.value + figure.error});
    plot.rows.push_back(std::move(row));
  }
  return {{.title = "Zero-shot tasks", .svg = dot_plot_svg(plot), .table = std::move(table)}};
}

std::vector<ReportFigure> text_figures(const Measurement& measurement) {
  const Json& json = measurement.json;
  const Json &model = json["model"], &dense = json["dense"];
  Table table({"", "dense", "model", "model / dense"});
  for (const auto& [name, key, integer] :
       {std::tuple{"perplexity", "perplexity", false},
        {"parameters", "parameters", true},
        {"parameters in layers", "block_parameters", true},
        {"bytes of weights", "bytes", true},
        {"KV cache, bytes a token", "kv_cache_bytes_per_token", true}}) {
    const double d = number_of(dense, key), m = number_of(model, key);
    const auto text = [whole = integer](double value) {
      return whole && std::abs(value) < 1e15 ? with_commas(std::llround(value))
                                             : figure_text(value);
    };
    table.add({name, text(d), text(m), figure_text(m / d)});
  }
  table.add({"KL(dense || model), nats a token", "", figure_text(number_of(json, "kl")), ""});
  table.add({"same likeliest token", "", percent(number_of(json, "top1_agreement")), ""});
  return {
      {.title = "Perplexity, beside the dense model",
       .note = fmt::format("Protocol {}: {} tokens of {} documents, {}; text sha256 {}",
                           word_of(json, "protocol"), with_commas(whole_of(json, "scored_tokens")),
                           with_commas(whole_of(json, "documents")), word_of(json, "dtype"),
                           word_of(json, "text_sha256")),
       .table = std::move(table)}};
}

}  // namespace

Measurement measurement_of(Json json, const std::string& where) {
  if (json.is_object()) {
    if (part_of(json, "results").is_object() && json.contains("mop")) {
      return {last_part(word_of(json, "model_name")), Measurement::Kind::kTasks, std::move(json)};
    }
    if (json.contains("ratios") && part_of(json, "models").is_array() && !json["models"].empty()) {
      return {last_part(word_of(json["models"][0], "model")), Measurement::Kind::kBench,
              std::move(json)};
    }
    if (part_of(json, "model").is_object() && part_of(json, "dense").is_object() &&
        json.contains("protocol")) {
      return {last_part(word_of(json["model"], "path")), Measurement::Kind::kText, std::move(json)};
    }
    if (json.contains("perplexity") && json.contains("protocol")) {
      throw bad_input("`mop eval` measured one model alone, whose size its JSON does not say")
          .where("file", where)
          .hint("measure it with --vs DENSE");
    }
  }
  throw bad_input("this is no JSON of `mop eval` or `mop bench`").where("file", where);
}

std::vector<ReportFigure> measurement_figures(const Measurement& measurement) {
  switch (measurement.kind) {
    case Measurement::Kind::kText:
      return text_figures(measurement);
    case Measurement::Kind::kTasks:
      return tasks_figures(measurement);
    case Measurement::Kind::kBench:
      return bench_figures(measurement);
  }
  throw internal_error("unknown kind of measurement");
}

Page measurement_page(const Measurement& measurement, const std::string& command,
                      const std::string& program) {
  Page page;
  page.title = measurement.name;
  page.subtitle = measurement.kind == Measurement::Kind::kBench ? "mop bench" : "mop eval";
  if (part_of(measurement.json, "quiet") == Json(false)) {
    page.warnings.emplace_back(
        "Others used the machine meanwhile: times are longer than they would be on a quiet one.");
  }
  page.sections.push_back({.title = "Figures", .figures = measurement_figures(measurement)});
  page.sections.push_back({.title = "Doing it again", .listing = command});
  page.footer = "Made by " + program + ".";
  return page;
}

std::vector<SizedFigure> sized_figures(const Measurement& measurement) {
  const Json& json = measurement.json;
  std::vector<SizedFigure> all;
  if (measurement.kind == Measurement::Kind::kText) {
    const std::string what =
        fmt::format("perplexity, protocol {}, text {}", word_of(json, "protocol"),
                    word_of(json, "text_sha256").substr(0, 8));
    for (const char* key : {"dense", "model"}) {
      all.push_back({last_part(word_of(json[key], "path")), what, true,
                     whole_of(json[key], "parameters"), number_of(json[key], "perplexity")});
    }
  }
  if (measurement.kind == Measurement::Kind::kTasks) {
    for (const TaskFigure& figure : task_figures_of(json)) {
      if (!is_accuracy(figure.metric)) continue;
      const double error = std::isfinite(figure.error) ? figure.error : 0;
      all.push_back({measurement.name, figure.task + ", " + figure.metric, false,
                     whole_of(part_of(json, "config"), "model_num_parameters"), figure.value,
                     error});
    }
  }
  return all;
}

}  // namespace mop
