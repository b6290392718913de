// cli/verbs/check.cc -- mop check DIR [--with transformers,llama.cpp,peft]
#include "jobs/check.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/verb.h"
#include "report/table.h"

namespace mop {
namespace {

std::string cell(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "equal" : "differs";
  if (value.is_number()) return fmt::format("{:.2g}", value.get<double>());
  return value.get<std::string>();
}

std::string speed(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.1f}", value.get<double>());
}

std::string check_text(const Json& result) {
  Table table({"reader", "version", "status", "logits", "greedy text", "tokens/s"});
  std::string details;
  for (const Json& row : result["readers"]) {
    table.add({row["reader"], cell(row["version"]), row["status"], cell(row["logits_difference"]),
               cell(row["greedy_equal"]), speed(row["tokens_per_second"])});
    const std::string reader = row["reader"], detail = row["detail"];
    if (reader != "mop" && !detail.empty()) details += fmt::format("{}: {}\n", reader, detail);
  }
  return table.text() + details;
}

// A failed check is a result: prints the table on stdout and sets the exit code.
Answer answer(const CheckJob& job, Progress& progress) {
  const Json result = check(job, progress);
  return {.json = result, .text = check_text(result), .exit = result["ok"].get<bool>() ? 0 : 1};
}

}  // namespace

Verb check_verb() {
  return {
      "check", "read a checkpoint back, with our reader and the outside ones installed",
      [](CLI::App& app) {
        auto job = std::make_shared<CheckJob>();
        app.add_option("MODEL", job->model, "folder of a checkpoint or a .gguf file")->required();
        app.add_option("--adapter", job->adapter, "PEFT adapter folder to check on MODEL");
        app.add_option("--with", job->with,
                       fmt::format("only these readers: {}", fmt::join(outside_readers(), ", ")))
            ->delimiter(',')
            ->allow_extra_args(false);
        app.add_option("--python", job->python,
                       "Python that has them (default: MOP_PYTHON, else python3)");
        app.add_option("--prompt", job->prompt, "text to compute and continue");
        app.add_option("--max-new-tokens", job->new_tokens, "greedy tokens to compare (default 24)")
            ->check(positive());
        app.add_option("--dtype", job->dtype, "float32 (default) or bfloat16")
            ->check(CLI::IsMember({"float32", "bfloat16"}));
        app.add_option("--timeout", job->timeout_seconds, "seconds for each reader (default 600)")
            ->check(positive());
        add_threads_flag(app);
        return [job](Progress& progress) { return answer(*job, progress); };
      }};
}

}  // namespace mop
