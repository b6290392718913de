// cli/verbs/eval.cc -- mop eval MODEL --text FILE --protocol NAME, or --tasks a,b --data DIR
#include "base/error.h"
#include "base/files.h"
#include "cli/verb.h"
#include "jobs/eval_tasks.h"
#include "jobs/eval_text.h"
#include "jobs/report.h"

namespace mop {
namespace {

Answer answer_text(const EvalTextJob& job, const std::filesystem::path& out, Progress& progress) {
  const Json result = evaluate(job, progress);
  if (!out.empty() && job.compute.ranks->rank() == 0) write_file(out, to_text(result));
  return {result, text_table(result)};
}

Answer answer_tasks(const EvalTasksJob& job, Progress& progress) {
  const Json result = eval_tasks(job, progress);
  return {result, task_table(result)};
}

void add_text_flags(CLI::App& app, EvalTextJob& job) {
  auto* text = app.add_option("--text", job.text, "text to score");
  auto* protocol = app.add_option("--protocol", job.protocol, "see `mop list protocols`");
  protocol->needs(text);
}

void add_task_flags(CLI::App& app, EvalTasksJob& job) {
  auto* tasks = app.add_option("--tasks", job.tasks, "zero-shot tasks, see `mop list tasks`")
                    ->delimiter(',')
                    ->allow_extra_args(false);
  auto* data = app.add_option("--data", job.data, "folder of the tasks' jsonl files");
  tasks->needs(data)->excludes("--text");
  data->needs(tasks);
  const auto more = [&](CLI::Option* option) { option->needs(tasks); };
  more(app.add_option("--images", job.images,
                      "folder where the records' pictures are (default: that of --data)"));
  more(app.add_option("--bos", job.bos, "auto: the tokenizer's rule; always; never")
           ->check(CLI::IsMember({"auto", "always", "never"})));
  more(app.add_option("--fewshot", job.fewshot, "solved examples before each question")
           ->check(not_negative()));
  more(app.add_flag("--log-samples", job.log_samples, "write every record's answers beside --out"));
  more(app.add_option("--tokenizer", job.tokenizer, "another folder's or file's tokenizer"));
}

}  // namespace

Verb eval_verb() {
  return {
      "eval", "perplexity by a named protocol, or zero-shot tasks", [](CLI::App& app) {
        auto job = std::make_shared<EvalTextJob>();
        auto tasks = std::make_shared<EvalTasksJob>();
        app.add_option("MODEL", job->model, "folder of a checkpoint")->required();
        add_text_flags(app, *job);
        add_task_flags(app, *tasks);
        app.add_option("--limit", job->limit,
                       "the first N records of each task, or lines, windows or pages of the "
                       "text")
            ->check(positive());
        app.add_option("--vs", job->versus, "the dense model to compare with")->type_name("MODEL");
        app.add_option("--calibration", job->calibration,
                       "warn when this text is evaluated on (default: what the model's run "
                       "folder recorded)");
        app.add_option("--adapter", job->adapter, "PEFT adapter folder to merge into MODEL");
        app.add_option("--out", tasks->out, "write the JSON to this file (tasks: or folder)");
        app.add_option("--seed", "accepted for symmetry; evaluation is not random");
        add_compute_flags(app, job->compute);
        auto page = std::make_shared<std::filesystem::path>();
        add_report_flag(app, *page);
        return [job, tasks, page, &app](Progress& progress) {
          if (!page->empty() && tasks->tasks.empty() && job->versus.empty()) {
            throw usage_error("--report shows a text's perplexity beside another model's")
                .hint("give --vs DENSE");
          }
          if (!job->text.empty() && app.count("--protocol") == 0) {
            throw usage_error("--text needs --protocol: figures of different protocols differ")
                .hint("--protocol windows:2048 for a text, --protocol lines for a text of lines");
          }
          if (tasks->tasks.empty() && job->text.empty()) {
            throw usage_error("there is nothing to evaluate on")
                .hint("give --text FILE --protocol NAME, or --tasks a,b --data DIR");
          }
          return as_rank(progress, [&](Progress& listener, Collectives& ranks) {
            job->compute.ranks = &ranks;
            const auto with_page = [&](Answer answer) {
              if (!page->empty() && ranks.rank() == 0) {
                write_measurement_report(*page, answer.json, command_line(app));
              }
              return answer;
            };
            if (tasks->tasks.empty()) {
              return with_page(answer_text(*job, tasks->out, listener));
            }
            tasks->model = job->model;
            tasks->adapter = job->adapter;
            tasks->versus = job->versus;
            tasks->calibration = job->calibration;
            tasks->limit = job->limit;
            tasks->compute = job->compute;
            return with_page(answer_tasks(*tasks, listener));
          });
        };
      }};
}

}  // namespace mop
