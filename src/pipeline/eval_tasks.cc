#include "pipeline/eval_tasks.h"

#include <chrono>
#include <ctime>

#include "base/error.h"
#include "base/files.h"
#include "pipeline/runtime.h"
#include "pipeline/task_results.h"
#include "report/table.h"
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

// Where results and samples go.
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
  const TaskOptions options{
      .data = job.data, .limit = job.limit, .bos = parse_bos_rule(job.bos), .fewshot = job.fewshot};
  const auto tokenizer = open_tokenizer(job.tokenizer.empty() ? job.model : job.tokenizer);
  const Model model = Model::open(job.model);
  WeightLoader weights(model, open_compute(job.compute.device, job.compute.dtype));
  const auto results = evaluate_tasks(weights, *tokenizer, job.tasks, options, progress);
  check_mappings();
  const double end = now();
  const Json json = task_results_json(
      results, {job.model.string(), options, *tokenizer, model, weights.compute(), start, end});
  if (job.out.empty()) return json;
  const Places places = places_of(job, end);
  make_folder(places.folder);
  write_file(places.results, to_text(json));
  progress.note("results: " + places.results.string());
  if (job.log_samples) {
    for (const TaskResult& result : results) write_samples(result, places);
  }
  return json;
}

std::string task_table(const Json& results) {
  Table table({"task", "records", "shots", "metric", "value", "stderr"});
  for (const auto& [task, figures] : results["results"].items()) {
    for (const auto& [metric, better] : results["higher_is_better"][task].items()) {
      const Json& error = figures[metric + "_stderr,none"];
      table.add({task, fmt::format("{}", figures["sample_len"].get<int64_t>()),
                 fmt::format("{}", results["n-shot"][task].get<int64_t>()),
                 metric + (better.get<bool>() ? " (higher is better)" : " (lower is better)"),
                 fmt::format("{:.4f}", figures[metric + ",none"].get<double>()),
                 error.is_number() ? fmt::format("{:.4f}", error.get<double>()) : "-"});
    }
  }
  return table.text() + fmt::format("\nbos: {}; dtype: {}\n",
                                    results["mop"]["bos_rule"].get<std::string>(),
                                    results["mop"]["dtype"].get<std::string>());
}

}  // namespace mop
