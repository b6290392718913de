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
#include "text/chat_template.h"
#include "text/record_pictures.h"

namespace mop {

struct TaskOptions {
  std::filesystem::path data;  ///< folder of the data files
  int64_t limit = 0;           ///< the first records of each task; 0 = all
  BosRule bos = BosRule::kAuto;
  int64_t fewshot = 0;  ///< solved examples in front of each question (not rolling tasks)
  Collectives& ranks = one_rank();     ///< among which the questions are split
  const ChatTemplate* chat = nullptr;  ///< of the model, for tasks that ask by a message
  PlacePictures place = nullptr;       ///< where pictures get their ids; none = the model sees none
};

/// A task's records as they are asked.
struct TaskQuestions {
  TaskFile file;        ///< its items: those asked alone, as they are asked
  int64_t records = 0;  ///< in the file
  int64_t fewshot = 0;
  std::string fewshot_source;  ///< empty without examples
  std::vector<Question> questions;
};

/// One a name, in order; `context` is the model's (tokens). Throws Error: unknown name, no data
/// file, a broken record, a request that cannot be scored (naming task and record), pictures for a
/// model that sees none, Error(kUsage) for solved examples of tasks that see.
std::vector<TaskQuestions> read_tasks(const Tokenizer& tokenizer, int64_t context,
                                      std::span<const std::string> names,
                                      const TaskOptions& options);

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

/// One result a task, in order; the model has the rows of the questions' pictures.
std::vector<TaskResult> evaluate_tasks(WeightLoader& weights, std::vector<TaskQuestions> tasks,
                                       Collectives& ranks = one_rank(),
                                       Progress& progress = silent_progress());

}  // namespace mop
