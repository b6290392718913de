// eval/tasks/task_data.h -- reads the data files of a task and draws solved examples.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/tasks/python_random.h"
#include "eval/tasks/task.h"

namespace mop {

/// The records of one file as items.
struct TaskFile {
  /// The task that fits the records, possibly `instead` of the requested one.
  const Task* task = nullptr;
  std::filesystem::path path;
  std::string sha256;
  std::vector<TaskItem> items;
};

/// Finds FILE-SPLIT.jsonl, NAME-SPLIT.jsonl, NAME_SPLIT.jsonl or (evaluated split) NAME.jsonl in
/// `folder`; nullopt when there is none.
std::optional<std::filesystem::path> find_task_file(const Task& task, const std::string& split,
                                                    const std::filesystem::path& folder);
/// Reads the evaluated split. Throws Error(kBadInput) naming the files it looked for, or the broken
/// line.
TaskFile read_task_file(const Task& task, const std::filesystem::path& folder);

/// Draws K solved examples for each question in turn: from the training split if its file exists,
/// else the validation split, else from the evaluated file, excluding the question's own record.
/// Draws the same examples as lm-evaluation-harness (seed 1234), with one difference: where the
/// examples come from the evaluated test split, the reference may show a question its own answer;
/// here the record after it takes that place.
class Shots {
 public:
  /// `evaluated` must outlive this object. Throws Error(kBadInput) when there are too few records.
  Shots(const TaskFile& evaluated, const std::filesystem::path& folder, int64_t count);
  /// Returns the text before the context of item `index`. Call for the items in order.
  std::string next(int64_t index);
  /// "train", "validation" or "the evaluated file".
  const std::string& source() const { return source_; }

 private:
  const std::vector<TaskItem>& pool() const { return own_ ? *evaluated_ : examples_; }

  const std::vector<TaskItem>* evaluated_;
  std::vector<TaskItem> examples_;
  bool own_ = false;
  int64_t count_, drawn_;
  std::string source_;
  PythonRandom random_{1234};
};

}  // namespace mop
