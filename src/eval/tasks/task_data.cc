#include "eval/tasks/task_data.h"

#include <algorithm>

#include "base/error.h"
#include "base/parse_json.h"
#include "eval/tasks/for_records.h"
#include "text/record_file.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> file_names(const Task& task, const std::string& split) {
  std::vector<std::string> names = {task.file + "-" + split, task.name + "-" + split,
                                    task.name + "_" + split};
  if (split == task.split) names.insert(names.end(), {task.file, task.name});
  std::sort(names.begin() + 1, names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<std::string> files;
  for (const char* extension : {".jsonl", ".parquet"}) {
    for (const std::string& name : names) files.push_back(name + extension);
  }
  return files;
}

std::vector<Json> read_records(const RecordFile& file) {
  std::vector<Json> records(static_cast<size_t>(file.size()));
  for_records(records.size(), [&](size_t i) {
    const auto number = static_cast<int64_t>(i);
    records[i] = try_parse_json(file.bytes(number)).value_or(Json());
    if (records[i].is_object()) return;
    throw bad_input("{} is not a JSON object", file.where(number))
        .where("file", file.path().string());
  });
  return records;
}

// Returns the task that can read these records.
const Task& fitting(const Task& task, const Json& first) {
  const bool fits = task.needs.empty() || first.contains(task.needs);
  return fits || task.instead.empty() ? task : find_task(task.instead);
}

TaskFile read_file_of(const Task& task, const fs::path& path) {
  TaskFile file;
  file.path = path;
  const RecordFile source = RecordFile::open(path);
  file.sha256 = source.sha256();
  std::vector<Json> records;
  try {
    records = read_records(source);
  } catch (const Error&) {
    check_mappings();  // a file that shrank reads as zeros
    throw;
  }
  check_mappings();
  file.task = &fitting(task, records.front());
  file.items.resize(records.size());
  for_records(records.size(), [&](size_t i) {
    file.items[i] = file.task->read(records[i], fmt::format("{}, record {}", path.string(), i + 1));
  });
  return file;
}

}  // namespace

std::optional<fs::path> find_task_file(const Task& task, const std::string& split,
                                       const fs::path& folder) {
  for (const std::string& name : file_names(task, split)) {
    if (fs::is_regular_file(folder / name)) return folder / name;
  }
  return std::nullopt;
}

TaskFile read_task_file(const Task& task, const fs::path& folder) {
  const auto path = find_task_file(task, task.split, folder);
  if (path) return read_file_of(task, *path);
  std::string looked_for;
  for (const std::string& name : file_names(task, task.split)) {
    looked_for += (looked_for.empty() ? "" : ", ") + name;
  }
  throw bad_input("task {}: no data file", task.name)
      .where("folder", folder.string())
      .where("looked for", looked_for)
      .hint("records have the fields of " + task.dataset +
            "; tools/convert_task_parquet.py converts the Hub's files");
}

Shots::Shots(const TaskFile& evaluated, const fs::path& folder, int64_t count)
    : evaluated_(&evaluated.items), count_(count) {
  const Task& task = *evaluated.task;
  for (const std::string split : {"train", "validation"}) {
    const auto path = split == task.split ? std::nullopt : find_task_file(task, split, folder);
    if (!path || own_ || !examples_.empty()) continue;
    examples_ = read_file_of(task, *path).items;
    source_ = split;
  }
  own_ = examples_.empty();
  if (own_) source_ = "the evaluated file";
  // The reference draws one more where the evaluated split is not the test split, and leaves out
  // the question's own record.
  drawn_ = count_ + (task.split != "test" ? 1 : 0);
  const auto available = static_cast<int64_t>(pool().size());
  const int64_t needed = std::max(drawn_, count_ + (own_ ? 1 : 0));
  if (needed > available) {
    throw bad_input("task {}: {} examples are to be drawn from {} records", task.name, needed,
                    available)
        .hint("lower --fewshot, or put the training split beside the data");
  }
}

std::string Shots::next(int64_t index) {
  std::string text;
  int64_t taken = 0;
  const auto available = static_cast<int64_t>(pool().size());
  std::vector<int64_t> numbers = random_.sample(available, drawn_);
  if (own_ && drawn_ == count_) {
    // The reference shows the question its own answer; here the next record takes its place.
    const auto own = std::ranges::find(numbers, index);
    int64_t other = index;
    while (std::ranges::find(numbers, other) != numbers.end()) other = (other + 1) % available;
    if (own != numbers.end()) *own = other;
  }
  for (const int64_t number : numbers) {
    if (taken == count_ || (own_ && number == index)) continue;
    const TaskItem& example = pool()[static_cast<size_t>(number)];
    text += example.shot_question + " " + example.shot_answer + "\n\n";
    ++taken;
  }
  return text;
}

}  // namespace mop
