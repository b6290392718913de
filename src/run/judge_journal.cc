// run/judge_journal.cc
#include "run/judge_journal.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "base/read_values.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// NaN is null in JSON.
double number(const Json& json) { return json.is_null() ? NAN : json.get<double>(); }

std::string text_of(const std::vector<Validation>& figures, int64_t step) {
  Json rows = Json::array();
  for (const Validation& v : figures) rows.push_back({v.nll, v.kl, v.cosine});
  return Json{{"step", step}, {"figures", rows}}.dump();
}

std::vector<Validation> figures_of(const Json& line) {
  std::vector<Validation> figures;
  for (const Json& row : line.at("figures")) {
    figures.push_back({number(row.at(0)), number(row.at(1)), number(row.at(2))});
  }
  return figures;
}

bool is_figure(const Json& value) { return value.is_number() || value.is_null(); }

bool is_record(const Json& line) {
  if (!is_whole_number(part_of(line, "step")) || !part_of(line, "figures").is_array()) return false;
  return std::ranges::all_of(line["figures"], [](const Json& row) {
    return row.is_array() && row.size() == 3 && std::ranges::all_of(row, is_figure);
  });
}

// Reads the lines of a step up to the first damaged one: the last line of a killed run may be
// truncated, and after a power failure the end of the file may be zeros. What follows is judged
// again.
Json lines_of(const fs::path& file, int64_t step) {
  Json lines = Json::array();
  if (file.empty() || !fs::exists(file)) return lines;
  std::istringstream text(read_file(file));
  for (std::string line; std::getline(text, line) && !text.eof();) {
    std::optional<Json> json = try_parse_json(line);
    if (!json || !is_record(*json)) break;
    if ((*json)["step"] == step) lines.push_back(*std::move(json));
  }
  return lines;
}

}  // namespace

JudgeJournal::JudgeJournal(const fs::path& folder, Collectives& ranks)
    : file_(folder.empty() ? fs::path() : folder / "judged.jsonl"), ranks_(ranks) {}

void JudgeJournal::begin_step(int64_t number) {
  step_ = number;
  lines_.reset();
  known_.clear();
  Json lines = lines_of(file_, number);
  if (ranks_.size() > 1) lines = parse_json(ranks_.broadcast(lines.dump()));
  for (const Json& line : lines) known_.push_back(figures_of(line));
  if (file_.empty()) return;
  std::string kept;
  for (const std::vector<Validation>& figures : known_) kept += text_of(figures, step_) + "\n";
  if (kept.empty()) {
    fs::remove(file_);
  } else {
    write_file(file_, kept);
  }
}

std::vector<Validation> JudgeJournal::judge(const std::vector<Model>& models, const Judge& judge) {
  if (known_.empty()) {
    std::vector<Validation> figures = judge(models);
    note(figures);
    return figures;
  }
  std::vector<Validation> figures = std::move(known_.front());
  known_.pop_front();
  if (figures.size() == models.size()) return figures;
  throw bad_input("step {} now evaluates {} models, but {} are recorded", step_, models.size(),
                  figures.size())
      .where("file", file_.string())
      .hint("start over with --force");
}

void JudgeJournal::note(const std::vector<Validation>& figures) {
  if (file_.empty()) return;
  if (lines_ == nullptr) lines_ = std::make_unique<LineFile>(file_);
  lines_->add(text_of(figures, step_));
}

}  // namespace mop
