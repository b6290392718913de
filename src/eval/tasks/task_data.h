// eval/tasks/task_data.h -- the data files of a task, and solved examples drawn from them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/tasks/python_random.h"
#include "eval/tasks/task.h"

namespace mop {

/// Records of one file as items.
struct TaskFile {
  const Task* task = nullptr;  ///< the row that fits the records, maybe `instead` of the one asked
  std::filesystem::path path;
  std::string sha256;
  std::vector<TaskItem> items;
};

/// FILE-SPLIT.jsonl, NAME-SPLIT.jsonl, NAME_SPLIT.jsonl or (evaluated split) NAME.jsonl of
/// `folder`; none when there is none of them.
std::optional<std::filesystem::path> find_task_file(const Task& task, const std::string& split,
                                                    const std::filesystem::path& folder);
/// The evaluated split. Throws Error(kBadInput) naming what was looked for, or the broken line.
TaskFile read_task_file(const Task& task, const std::filesystem::path& folder);

/// Draws K solved examples for one question after the other: from the training split where its file
/// is there, else the validation split, else from the evaluated file itself, never the question's
/// own record. The draw is lm-evaluation-harness's (seed 1234).
class Shots {
 public:
  /// `evaluated` must outlive it. Throws Error(kBadInput) when there are too few records.
  Shots(const TaskFile& evaluated, const std::filesystem::path& folder, int64_t count);
  /// What stands in front of the context of item number `index`; called for items in order.
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
