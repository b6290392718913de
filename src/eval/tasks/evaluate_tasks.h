// eval/tasks/evaluate_tasks.h -- runs tasks on a model.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "collectives/collectives.h"
#include "eval/tasks/encode.h"
#include "eval/tasks/metrics.h"
#include "eval/tasks/task_data.h"

namespace mop {

struct TaskOptions {
  std::filesystem::path data;  ///< folder of the data files
  int64_t limit = 0;           ///< the first records of each task; 0 = all
  BosRule bos = BosRule::kAuto;
  int64_t fewshot = 0;  ///< solved examples in front of each question (not rolling tasks)
  Collectives& ranks = one_rank();  ///< among which the questions are split
};

/// One evaluated record.
struct TaskSample {
  TaskItem item;                       ///< its requests as asked, examples included
  std::vector<LogLikelihood> answers;  ///< one a request; a rolling one's windows are added up
  std::vector<MetricValue> values;     ///< one a metric
};

struct TaskResult {
  const Task* task = nullptr;
  std::filesystem::path file;
  std::string file_sha256;
  int64_t records = 0;  ///< in the file
  int64_t fewshot = 0;
  std::string fewshot_source;  ///< empty without examples
  TokenCount tokens;
  std::map<std::string, Figure> figures;
  std::vector<TaskSample> samples;
};

/// One result per name, in order. Throws Error: unknown name, no data file, a broken record, a
/// request that cannot be scored (naming task and record).
std::vector<TaskResult> evaluate_tasks(WeightLoader& weights, const Tokenizer& tokenizer,
                                       std::span<const std::string> names,
                                       const TaskOptions& options,
                                       Progress& progress = silent_progress());

}  // namespace mop
