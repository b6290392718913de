// pipeline/eval_tasks.h -- mop eval --tasks: zero-shot tasks on a checkpoint, results in the shape
// of lm-evaluation-harness.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "pipeline/tasks.h"

namespace mop {

struct EvalTasksJob {
  std::filesystem::path model;
  std::filesystem::path adapter;      ///< PEFT adapter folder to merge; empty = none
  std::filesystem::path data;         ///< folder of the tasks' files
  std::filesystem::path tokenizer;    ///< another one than the model's; empty = the model's
  std::filesystem::path images = {};  ///< where names of pictures are looked up; empty = `data`
  std::vector<std::string> tasks;
  int64_t limit = 0;  ///< the first records of each; 0 = all
  std::string bos = "auto";
  int64_t fewshot = 0;
  /// A .json file, or a folder: FOLDER/<model>/results_<time>.json. Empty = nothing is written.
  std::filesystem::path out;
  bool log_samples = false;           ///< samples_<task>_<time>.jsonl beside the results
  std::filesystem::path versus;       ///< another model to stand beside; empty = none
  std::filesystem::path calibration;  ///< text that the model was made with; empty = what its run
                                      ///< recorded
  ComputeChoice compute;
};

/// What is written. The figures of `versus` are under mop.versus, {path, .., results}; overlap with
/// the calibration text, where that is known, under mop.overlap.TASK. Throws Error(kUsage) for
/// samples without `out`.
Json eval_tasks(const EvalTasksJob& job, Progress& progress);

/// The figures as a table for people.
std::string task_table(const Json& results);

}  // namespace mop
