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
  int64_t limit = 0;           ///< number of first records of each task; 0 = all
  BosRule bos = BosRule::kAuto;
  int64_t fewshot = 0;  ///< solved examples before each question (not for rolling tasks)
  Collectives& ranks = one_rank();     ///< ranks that share the questions
  const ChatTemplate* chat = nullptr;  ///< the model's, for tasks that ask by a message
  PlacePictures place = nullptr;  ///< inserts the ids of pictures; none = the model has no vision
};

/// A task's records, encoded.
struct TaskQuestions {
  TaskFile file;        ///< the records to evaluate, as they are asked
  int64_t records = 0;  ///< in the file
  int64_t fewshot = 0;
  std::string fewshot_source;  ///< empty without examples
  std::vector<Question> questions;
};

/// Reads the tasks `names`, in order; `context` is the model's context in tokens. Throws Error for
/// an unknown name, a missing data file, a broken record, a request that cannot be scored (naming
/// task and record), or pictures without vision; Error(kUsage) for solved examples in tasks with
/// pictures.
std::vector<TaskQuestions> read_tasks(const Tokenizer& tokenizer, int64_t context,
                                      std::span<const std::string> names,
                                      const TaskOptions& options);

/// Result of one record.
struct TaskSample {
  TaskItem item;  ///< with its requests as asked, examples included
  /// One per request; the windows of a rolling request are summed.
  std::vector<LogLikelihood> answers;
  std::vector<MetricValue> values;  ///< one per metric
};

struct TaskResult {
  const Task* task = nullptr;
  std::filesystem::path file;
  std::string file_sha256;
  int64_t records = 0;  ///< in the file
  int64_t fewshot = 0;
  std::string fewshot_source;  ///< empty without examples
  TokenCount tokens;
  int64_t cut_requests = 0, cut_tokens = 0;  ///< too long for the context, and what they lost
  std::map<std::string, Figure> figures;
  std::vector<TaskSample> samples;
};

/// Returns one result per task, in order. The model must have the rows of the questions' pictures.
std::vector<TaskResult> evaluate_tasks(WeightLoader& weights, std::vector<TaskQuestions> tasks,
                                       Collectives& ranks = one_rank(),
                                       Progress& progress = silent_progress());

}  // namespace mop
