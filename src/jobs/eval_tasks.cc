#include "jobs/eval_tasks.h"

#include <chrono>
#include <ctime>

#include "base/error.h"
#include "base/files.h"
#include "eval/tasks/task_data.h"
#include "jobs/eval_text.h"
#include "jobs/task_results.h"
#include "report/table.h"
#include "run/eval_overlap.h"
#include "run/manifest.h"
#include "run/open_model.h"
#include "run/pictures.h"
#include "run/runtime.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// "2025-01-31T12-30-05.123456": Python's isoformat() with '-' for ':'.
std::string time_stamp(double seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm local{};
  ::localtime_r(&whole, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H-%M-%S", &local);
  const auto micro = static_cast<int64_t>((seconds - static_cast<double>(whole)) * 1e6);
  return fmt::format("{}.{:06d}", text, micro);
}

// Paths of results and samples.
struct Places {
  fs::path results, folder;
  std::string stamp;
};

Places places_of(const EvalTasksJob& job, double time) {
  Places places;
  places.stamp = time_stamp(time);
  if (job.out.extension() == ".json") {
    places.results = job.out;
    places.folder = job.out.parent_path();
  } else {
    places.folder = job.out / sanitized_model_name(job.model.string());
    places.results = places.folder / fmt::format("results_{}.json", places.stamp);
  }
  return places;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error)
    throw io_error("cannot make a folder: {}", error.message()).where("folder", folder.string());
}

void write_samples(const TaskResult& result, const Places& places) {
  std::string lines;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    lines +=
        task_sample_json(*result.task, result.samples[i], static_cast<int64_t>(i)).dump() + "\n";
  }
  write_file(places.folder / fmt::format("samples_{}_{}.jsonl", result.task->name, places.stamp),
             lines);
}

/// The questions for one model, with its own tokenizer, chat template and images.
struct Asked {
  std::vector<TaskQuestions> tasks;
  Pictures pictures;
  std::string chat_template_sha256;  ///< empty if no chat template was used
};

Asked questions_for(const EvalTasksJob& job, const fs::path& folder, const Model& model,
                    const Tokenizer& tokenizer) {
  const bool by_message = std::ranges::any_of(
      job.tasks, [](const std::string& name) { return find_task(name).message; });
  const auto chat = by_message ? read_chat_template(folder) : nullptr;
  Asked asked{{}, Pictures(model, job.images.empty() ? job.data : job.images), ""};
  if (chat) asked.chat_template_sha256 = chat->fingerprint();
  asked.tasks = read_tasks(tokenizer, model.config().context, job.tasks,
                           {.data = job.data,
                            .limit = job.limit,
                            .bos = parse_bos_rule(job.bos),
                            .fewshot = job.fewshot,
                            .chat = chat.get(),
                            .place = asked.pictures.placing(job.data)});
  return asked;
}

std::vector<TaskResult> answers_of(const EvalTasksJob& job, const Model& model, Asked& asked,
                                   const Compute& compute, Progress& progress) {
  WeightLoader weights(asked.pictures.shown_to(model, compute, fs::temp_directory_path(), progress),
                       compute);
  return evaluate_tasks(weights, std::move(asked.tasks), *job.compute.ranks, progress);
}

// Results of the other model on the same tasks, with its own tokenizer; null if there is none.
Json versus_of(const EvalTasksJob& job, Progress& progress) {
  if (job.versus.empty()) return nullptr;
  const auto tokenizer = open_tokenizer(job.versus);
  const Model model = open_dense(job.versus, progress);
  Asked asked = questions_for(job, job.versus, model, *tokenizer);
  Json json = model_sizes(job.versus);
  json["tokenizer_sha256"] = tokenizer->fingerprint();
  const Compute compute = open_compute(job.compute.device, job.compute.dtype);
  for (const TaskResult& result : answers_of(job, model, asked, compute, progress)) {
    json["results"][result.task->name] = task_figures_json(result);
  }
  return json;
}

// Texts of a task that could occur in a calibration text: questions with their correct answers,
// without solved examples.
std::vector<std::string> texts_of(const TaskResult& result) {
  std::vector<std::string> texts;
  for (const TaskSample& sample : result.samples) {
    const TextRequest& request = sample.item.requests.at(static_cast<size_t>(sample.item.gold));
    texts.push_back(request.context.substr(request.examples) + request.continuation);
  }
  return texts;
}

void add_overlap(Json& json, const std::vector<TaskResult>& results, const KnownLines& known,
                 Progress& progress) {
  for (const TaskResult& result : results) {
    const Json overlap = known.check(texts_of(result), "task " + result.task->name, progress);
    if (!overlap.is_null()) json["mop"]["overlap"][result.task->name] = overlap;
  }
}

// Digests of the tasks' files, including those of few-shot examples.
Json data_fingerprint(const EvalTasksJob& job) {
  Json json = Json::object();
  for (const std::string& name : job.tasks) {
    const Task& task = find_task(name);
    for (const std::string& split : {task.split, std::string("train"), std::string("validation")}) {
      if (split != task.split && job.fewshot == 0) continue;
      const auto file = find_task_file(task, split, job.data);
      if (file) json[task.file + "-" + split] = sha256(read_file(*file));
    }
  }
  return json;
}

Json versus_fingerprint(const EvalTasksJob& job) {
  if (job.versus.empty()) return nullptr;
  return {{"model", Model::open(job.versus).checkpoint().fingerprint()},
          {"tokenizer", open_tokenizer(job.versus)->fingerprint()}};
}

Json manifest(const EvalTasksJob& job, const Model& model, const Tokenizer& tokenizer,
              const Asked& asked, const Compute& compute) {
  Json json = job_manifest(model, &tokenizer);
  json["adapter"] = adapter_fingerprint(job.adapter);
  json["versus"] = versus_fingerprint(job);
  json["data"] = data_fingerprint(job);
  json["pictures"] = asked.pictures.sha256();
  json["chat_template"] = asked.chat_template_sha256;
  json["eval"] = {
      {"tasks", job.tasks}, {"limit", job.limit}, {"fewshot", job.fewshot}, {"bos", job.bos}};
  json["compute"] = compute_manifest(job.compute.device, compute.dtype);
  return json;
}

void check(const EvalTasksJob& job) {
  if (job.log_samples && job.out.empty()) {
    throw usage_error("--log-samples needs --out").hint("--out FOLDER");
  }
  if (job.limit < 0) throw usage_error("--limit is {}, expected 1 or more", job.limit);
  if (job.fewshot < 0) throw usage_error("--fewshot is {}, expected 0 or more", job.fewshot);
}

}  // namespace

Json eval_tasks(const EvalTasksJob& job, Progress& progress) {
  check(job);
  const double start = now();
  const KnownLines known(job.model, job.calibration, progress);
  const auto tokenizer = open_tokenizer(job.tokenizer.empty() ? job.model : job.tokenizer);
  const Compute compute = open_compute(job.compute.device, job.compute.dtype);
  const Model model = open_model(job.model, job.adapter, progress, compute.dtype);
  Asked asked = questions_for(job, job.model, model, *tokenizer);
  if (job.compute.ranks->size() > 1) {
    check_same_inputs(manifest(job, model, *tokenizer, asked, compute), *job.compute.ranks,
                      progress);
  }
  const auto results = answers_of(job, model, asked, compute, progress);
  const Json other = versus_of(job, progress);
  check_mappings();
  const double end = now();
  Json json = task_results_json(results, {.model = job.model.string(),
                                          .bos = parse_bos_rule(job.bos),
                                          .limit = job.limit,
                                          .tokenizer = *tokenizer,
                                          .source = model,
                                          .compute = compute,
                                          .start = start,
                                          .end = end,
                                          .chat_template_sha256 = asked.chat_template_sha256,
                                          .pictures_sha256 = asked.pictures.sha256()});
  if (!other.is_null()) json["mop"]["versus"] = other;
  add_overlap(json, results, known, progress);
  if (job.out.empty() || job.compute.ranks->rank() != 0) return json;
  const Places places = places_of(job, end);
  make_folder(places.folder);
  write_file(places.results, to_text(json));
  progress.note("results: " + places.results.string());
  if (job.log_samples) {
    for (const TaskResult& result : results) write_samples(result, places);
  }
  return json;
}

namespace {

// Description of one metric of one task.
struct MetricLine {
  std::string task, metric, name;
};

std::vector<MetricLine> metric_lines(const Json& results) {
  std::vector<MetricLine> lines;
  for (const auto& [task, metrics] : results["higher_is_better"].items()) {
    for (const auto& [metric, better] : metrics.items()) {
      lines.push_back({task, metric,
                       metric + (better.is_null()     ? ""
                                 : better.get<bool>() ? " (higher is better)"
                                                      : " (lower is better)")});
    }
  }
  return lines;
}

std::string decimals(const Json& value) {
  return value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "-";
}

std::string table_alone(const Json& results) {
  Table table({"task", "records", "shots", "metric", "value", "stderr"});
  for (const auto& [task, metric, name] : metric_lines(results)) {
    const Json& figures = results["results"][task];
    table.add({task, figures["sample_len"].dump(), results["n-shot"][task].dump(), name,
               decimals(figures[metric + ",none"]), decimals(figures[metric + "_stderr,none"])});
  }
  return table.text();
}

std::string table_beside(const Json& results) {
  Table table(
      {"task", "records", "shots", "metric", "--vs", "stderr", "model", "stderr", "change"});
  const Json& others = results["mop"]["versus"]["results"];
  for (const auto& [task, metric, name] : metric_lines(results)) {
    const Json &figures = results["results"][task], &other = others[task];
    const Json &value = figures[metric + ",none"], &before = other[metric + ",none"];
    table.add({task, figures["sample_len"].dump(), results["n-shot"][task].dump(), name,
               decimals(before), decimals(other[metric + "_stderr,none"]), decimals(value),
               decimals(figures[metric + "_stderr,none"]),
               fmt::format("{:+.4f}", value.get<double>() - before.get<double>())});
  }
  return table.text();
}

}  // namespace

std::string task_table(const Json& results) {
  const Json& own = results["mop"];
  return (own.contains("versus") ? table_beside(results) : table_alone(results)) +
         fmt::format("\nbos: {}; dtype: {}\ntokenizer: sha256 {}\n",
                     own["bos_rule"].get<std::string>(), own["dtype"].get<std::string>(),
                     own["tokenizer_sha256"].get<std::string>());
}

}  // namespace mop
