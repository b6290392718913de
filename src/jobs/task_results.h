// jobs/task_results.h -- writes task results in the JSON format of lm-evaluation-harness.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/tasks/evaluate_tasks.h"
#include "model/weights.h"

namespace mop {

/// Metadata of a task run.
struct TaskRunFacts {
  std::string model;  ///< as named on the command line
  BosRule bos;
  int64_t limit;  ///< 0 = none
  const Tokenizer& tokenizer;
  const Model& source;
  const Compute& compute;
  double start = 0, end = 0;              ///< seconds since 1970
  std::string chat_template_sha256 = {};  ///< of the chat template used; empty = none
  std::string pictures_sha256 = {};       ///< of the images; empty = none
};

/// Returns results, configs, versions, n-shot, n-samples, config, ...; entries specific to this
/// program are under "mop".
Json task_results_json(const std::vector<TaskResult>& results, const TaskRunFacts& facts);
/// The results of one task, as under `results`.
Json task_figures_json(const TaskResult& result);
/// One line of samples_<task>_<time>.jsonl.
Json task_sample_json(const Task& task, const TaskSample& sample, int64_t index);
/// "org/name" -> "org__name".
std::string sanitized_model_name(const std::string& model);

}  // namespace mop
