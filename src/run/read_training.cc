// run/read_training.cc
#include "run/read_training.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "base/read_values.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

ReportedTraining read_curves(const fs::path& file, const std::string& title) {
  ReportedTraining training{title};
  const std::string text = read_file(file);
  size_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == text.npos) break;
    ++line;
    const Json json = parse_json(std::string_view(text).substr(begin, end - begin),
                                 fmt::format("{}: line {} is not valid JSON", file.string(), line));
    begin = end + 1;
    const double step = number_of(json, "step");
    if (json.contains("loss")) training.losses.push_back({step, number_of(json, "loss")});
    if (json.contains("validation_nll")) {
      training.held_out.push_back({step, number_of(json, "validation_nll")});
    }
  }
  return training;
}

void add_trials(const Json& trials, const Json& outcome, ReportedTraining& training) {
  for (const Json& trial : trials) {
    training.trials.push_back({number_of(trial, "learning_rate"), number_of(trial, "nll")});
  }
  training.chosen_rate = number_of(outcome, "learning_rate");
}

std::vector<fs::path> rounds_of(const fs::path& run) {
  std::vector<fs::path> rounds;
  if (!fs::exists(run / "rounds")) return rounds;
  for (const auto& entry : fs::directory_iterator(run / "rounds")) rounds.push_back(entry.path());
  std::ranges::sort(rounds);
  return rounds;
}

}  // namespace

std::vector<ReportedTraining> read_trainings(const fs::path& run, const Json& metrics) {
  std::vector<ReportedTraining> all;
  if (fs::exists(run / "metrics.jsonl")) {
    ReportedTraining training = read_curves(run / "metrics.jsonl", "Training");
    const Json& outcome = part_of(metrics, metrics.contains("outcome") ? "outcome" : "recovery");
    const fs::path rates = run / "learning_rates.json";
    add_trials(fs::exists(rates) ? read_json(rates) : part_of(outcome, "trials"), outcome,
               training);
    all.push_back(std::move(training));
  }
  for (const fs::path& round : rounds_of(run)) {
    if (!fs::exists(round / "metrics.jsonl")) continue;
    ReportedTraining training =
        read_curves(round / "metrics.jsonl", "Training after step " + round.filename().string());
    if (fs::exists(round / "recovery.json")) {
      const Json outcome = read_json(round / "recovery.json");
      add_trials(part_of(outcome, "trials"), outcome, training);
    }
    all.push_back(std::move(training));
  }
  return all;
}

}  // namespace mop
