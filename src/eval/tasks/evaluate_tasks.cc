#include "eval/tasks/evaluate_tasks.h"

#include "base/error.h"
#include "eval/rank_scores.h"
#include "eval/tasks/for_records.h"
#include "model/rope_types.h"

namespace mop {
namespace {

void add_shots(TaskFile& file, const TaskOptions& options, size_t count, TaskResult& result) {
  if (options.fewshot == 0 || file.task->kind == TaskKind::kRolling) return;
  // Drawn from the records as they are, so all are drawn before any is changed.
  std::vector<std::string> prefixes;
  {
    Shots shots(file, options.data, options.fewshot);
    for (size_t i = 0; i < count; ++i) prefixes.push_back(shots.next(static_cast<int64_t>(i)));
    result.fewshot = options.fewshot;
    result.fewshot_source = shots.source();
  }
  for (size_t i = 0; i < count; ++i) {
    for (TextRequest& request : file.items[i].requests) {
      request.context = prefixes[i] + request.context;
    }
  }
}

Question encode_record(const TaskFile& file, const RequestEncoder& encoder, size_t record) {
  try {
    return encoder.encode(file.items[record], file.task->kind);
  } catch (Error& error) {
    throw std::move(error)
        .where("task", file.task->name)
        .where("record", fmt::format("{}, record {}", file.path.string(), record + 1));
  }
}

std::vector<Question> encode_all(const TaskFile& file, const RequestEncoder& encoder,
                                 size_t count) {
  std::vector<Question> questions(count);
  for_records(count, [&](size_t i) { questions[i] = encode_record(file, encoder, i); });
  return questions;
}

// Windows of a document follow each other and share nothing, so each is a question of its own.
Answers answer_all(WeightLoader& weights, TaskKind kind, const std::vector<Question>& questions,
                   Collectives& ranks, Progress& progress) {
  if (kind != TaskKind::kRolling) return score_requests(weights, questions, ranks, progress);
  std::vector<Question> windows;
  for (const Question& document : questions) {
    for (const TokenRequest& window : document) windows.push_back({window});
  }
  const auto scored = score_requests(weights, windows, ranks, progress);
  Answers answers;
  auto window = scored.begin();
  for (const Question& document : questions) {
    LogLikelihood sum;
    for (size_t i = 0; i < document.size(); ++i, ++window) {
      sum.sum += window->front().sum;
      sum.greedy = sum.greedy && window->front().greedy;
    }
    answers.push_back({sum});
  }
  return answers;
}

void add_figures(TaskResult& result) {
  const Task& task = *result.task;
  for (size_t m = 0; m < task.metrics.size(); ++m) {
    std::vector<MetricValue> values;
    for (const TaskSample& sample : result.samples) values.push_back(sample.values[m]);
    result.figures[task.metrics[m]] = aggregate(task.metrics[m], values);
  }
}

TaskResult evaluate_task(WeightLoader& weights, const RequestEncoder& encoder, const Task& asked,
                         const TaskOptions& options, Progress& progress) {
  TaskFile file = read_task_file(asked, options.data);
  const size_t records = file.items.size();
  const size_t count =
      options.limit > 0 ? std::min(records, static_cast<size_t>(options.limit)) : records;
  TaskResult result;
  result.task = file.task;
  result.file = file.path;
  result.file_sha256 = file.sha256;
  result.records = static_cast<int64_t>(records);
  add_shots(file, options, count, result);
  const std::vector<Question> questions = encode_all(file, encoder, count);
  result.tokens = count_tokens(questions, longest_with_shared_rope(weights.model().config().rope));
  progress.note(fmt::format("{}: {} records, {} tokens to run ({} requested)", file.task->name,
                            count, result.tokens.run, result.tokens.asked));
  auto answers = answer_all(weights, file.task->kind, questions, options.ranks, progress);
  for (size_t i = 0; i < count; ++i) {
    TaskSample sample{std::move(file.items[i]), std::move(answers[i]), {}};
    sample.values = judge(*file.task, sample.item, sample.answers);
    result.samples.push_back(std::move(sample));
  }
  add_figures(result);
  return result;
}

}  // namespace

std::vector<TaskResult> evaluate_tasks(WeightLoader& weights, const Tokenizer& tokenizer,
                                       std::span<const std::string> names,
                                       const TaskOptions& options, Progress& progress) {
  if (names.empty()) throw usage_error("no task was named").hint("see `mop list tasks`");
  for (const std::string& name : names) find_task(name);
  const RequestEncoder encoder(tokenizer, options.bos, weights.model().config().context);
  std::vector<TaskResult> results;
  for (const std::string& name : names) {
    results.push_back(evaluate_task(weights, encoder, find_task(name), options, progress));
  }
  return results;
}

}  // namespace mop
