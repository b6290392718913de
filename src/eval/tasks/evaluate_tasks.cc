#include "eval/tasks/evaluate_tasks.h"

#include "base/error.h"
#include "eval/rank_scores.h"
#include "eval/tasks/for_records.h"
#include "eval/tasks/message.h"
#include "model/rope_types.h"

namespace mop {
namespace {

void add_shots(TaskQuestions& asked, const TaskOptions& options, size_t count) {
  TaskFile& file = asked.file;
  if (options.fewshot == 0 || file.task->kind == TaskKind::kRolling) return;
  if (file.task->sees) {
    throw usage_error("task {} has no solved examples", file.task->name)
        .hint("leave out --fewshot");
  }
  // Examples are drawn from the unmodified records, so all are drawn before any record is changed.
  std::vector<std::string> prefixes;
  {
    Shots shots(file, options.data, options.fewshot);
    for (size_t i = 0; i < count; ++i) prefixes.push_back(shots.next(static_cast<int64_t>(i)));
    asked.fewshot = options.fewshot;
    asked.fewshot_source = shots.source();
  }
  for (size_t i = 0; i < count; ++i) {
    for (TextRequest& request : file.items[i].requests) {
      request.context = prefixes[i] + request.context;
      request.examples = prefixes[i].size();
    }
  }
}

// Calls `work` and adds the record to its errors.
template <typename Work>
void on_record(const TaskFile& file, size_t record, const Work& work) {
  try {
    work();
  } catch (Error& error) {
    throw std::move(error)
        .where("task", file.task->name)
        .where("record", fmt::format("{}, record {}", file.path.string(), record + 1));
  }
}

void encode_all(TaskQuestions& asked, const RequestEncoder& encoder, const ChatTemplate* chat) {
  TaskFile& file = asked.file;
  asked.questions.resize(file.items.size());
  for_records(file.items.size(), [&](size_t i) {
    on_record(file, i, [&] {
      if (file.task->message && chat != nullptr) write_as_message(file.items[i], *chat);
      asked.questions[i] = encoder.encode(file.items[i], file.task->kind);
    });
  });
}

// In record order, so that the rows of pictures have the same ids in every run.
void place_pictures(TaskQuestions& asked, const RequestEncoder& encoder,
                    const PlacePictures& place) {
  for (size_t i = 0; i < asked.questions.size(); ++i) {
    const std::vector<std::string>& pictures = asked.file.items[i].pictures;
    if (pictures.empty()) continue;
    on_record(asked.file, i, [&] {
      if (!place) throw unread_picture(pictures.front());
      for (TokenRequest& request : asked.questions[i]) {
        place(request.ids, nullptr, pictures, /*was_cut=*/false);
        encoder.check_fits(request);
      }
    });
  }
}

TaskQuestions read_task(const Task& task, const RequestEncoder& encoder,
                        const TaskOptions& options) {
  TaskQuestions asked;
  asked.file = read_task_file(task, options.data);
  asked.records = std::ssize(asked.file.items);
  const int64_t count = options.limit > 0 ? std::min(asked.records, options.limit) : asked.records;
  add_shots(asked, options, static_cast<size_t>(count));
  asked.file.items.erase(asked.file.items.begin() + count, asked.file.items.end());
  encode_all(asked, encoder, options.chat);
  place_pictures(asked, encoder, options.place);
  return asked;
}

// Windows of a document share no prefix, so each is a question of its own.
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

void note_cuts(const TaskQuestions& asked, int64_t context, TaskResult& result,
               Progress& progress) {
  int64_t requests = 0;
  for (const Question& question : asked.questions) {
    for (const TokenRequest& request : question) {
      ++requests;
      result.cut_requests += request.cut > 0 ? 1 : 0;
      result.cut_tokens += request.cut;
    }
  }
  if (result.cut_requests == 0) return;
  progress.warn(fmt::format(
      "{}: {} of {} requests are longer than the model's context of {} and lose {} tokens on the "
      "left{}",
      result.task->name, result.cut_requests, requests, context, result.cut_tokens,
      result.fewshot > 0 ? ", solved examples first" : ""));
}

TaskResult evaluate_task(WeightLoader& weights, TaskQuestions asked, Collectives& ranks,
                         Progress& progress) {
  const Task& task = *asked.file.task;
  TaskResult result;
  result.task = &task;
  result.file = asked.file.path;
  result.file_sha256 = asked.file.sha256;
  result.records = asked.records;
  result.fewshot = asked.fewshot;
  result.fewshot_source = asked.fewshot_source;
  result.tokens =
      count_tokens(asked.questions, longest_with_shared_rope(weights.model().config().rope));
  progress.note(fmt::format("{}: {} records, {} tokens to run ({} requested)", task.name,
                            asked.questions.size(), result.tokens.run, result.tokens.asked));
  note_cuts(asked, weights.model().config().context, result, progress);
  auto answers = answer_all(weights, task.kind, asked.questions, ranks, progress);
  for (size_t i = 0; i < asked.questions.size(); ++i) {
    TaskSample sample{std::move(asked.file.items[i]), std::move(answers[i]), {}};
    sample.values = judge(task, sample.item, sample.answers);
    result.samples.push_back(std::move(sample));
  }
  add_figures(result);
  return result;
}

}  // namespace

std::vector<TaskQuestions> read_tasks(const Tokenizer& tokenizer, int64_t context,
                                      std::span<const std::string> names,
                                      const TaskOptions& options) {
  if (names.empty()) throw usage_error("no task was named").hint("see `mop list tasks`");
  for (const std::string& name : names) find_task(name);
  const RequestEncoder encoder(tokenizer, options.bos, context);
  std::vector<TaskQuestions> tasks;
  for (const std::string& name : names) {
    tasks.push_back(read_task(find_task(name), encoder, options));
  }
  return tasks;
}

std::vector<TaskResult> evaluate_tasks(WeightLoader& weights, std::vector<TaskQuestions> tasks,
                                       Collectives& ranks, Progress& progress) {
  std::vector<TaskResult> results;
  for (TaskQuestions& asked : tasks) {
    results.push_back(evaluate_task(weights, std::move(asked), ranks, progress));
  }
  return results;
}

}  // namespace mop
