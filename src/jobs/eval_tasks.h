// jobs/eval_tasks.h -- mop eval --tasks: zero-shot tasks on a checkpoint, with results in the
// format of lm-evaluation-harness.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "jobs/tasks.h"

namespace mop {

struct EvalTasksJob {
  std::filesystem::path model;
  std::filesystem::path adapter;      ///< PEFT adapter folder to merge; empty = none
  std::filesystem::path data;         ///< folder of the tasks' files
  std::filesystem::path tokenizer;    ///< empty = the model's
  std::filesystem::path images = {};  ///< folder of image files; empty = `data`
  std::vector<std::string> tasks;
  int64_t limit = 0;  ///< number of records per task; 0 = all
  std::string bos = "auto";
  int64_t fewshot = 0;
  /// A .json file, or a folder for FOLDER/<model>/results_<time>.json. Empty = no file.
  std::filesystem::path out;
  bool log_samples = false;           ///< also write samples_<task>_<time>.jsonl
  std::filesystem::path versus;       ///< another model to compare with; empty = none
  std::filesystem::path calibration;  ///< text that the model was made with; empty = what its run
                                      ///< recorded
  ComputeChoice compute;
};

/// Returns the written JSON. Results of `versus` are under mop.versus, {path, .., results}; overlap
/// with the calibration text, if known, under mop.overlap.TASK. Throws Error(kUsage) for
/// `log_samples` without `out`.
Json eval_tasks(const EvalTasksJob& job, Progress& progress);

/// The results as a text table.
std::string task_table(const Json& results);

}  // namespace mop
