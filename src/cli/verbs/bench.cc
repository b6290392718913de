// cli/verbs/bench.cc -- mop bench MODEL [--vs OTHER]
#include "jobs/bench.h"

#include <fmt/format.h>

#include "cli/verb.h"
#include "jobs/report.h"
#include "report/table.h"

namespace mop {
namespace {

// Formats a time with a suitable unit and three significant digits.
std::string time_text(double seconds) {
  const auto [value, unit] =
      seconds < 1 ? std::pair{1000 * seconds, "ms"} : std::pair{seconds, "s"};
  const int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, unit);
}

std::string time_spread(const Json& spread) {
  return fmt::format("{} ({} to {})", time_text(spread["median"]), time_text(spread["min"]),
                     time_text(spread["max"]));
}

std::string rate(const Json& spread) {
  const double value = spread["median"];
  return fmt::format("{:.{}f}", value, value < 100 ? 1 : 0);
}

std::string ratio_text(const Json& spread) {
  const double median = spread["median"];
  if (median == 0) return "-";
  return fmt::format("{:.3f} ({:.3f} to {:.3f}), {:.1f}% {}", median, spread["min"].get<double>(),
                     spread["max"].get<double>(), 100 * std::abs(1 - median),
                     median <= 1 ? "less" : "more");
}

/// A row of the table: a model's figure and its ratio.
struct Row {
  const char* name;
  std::function<std::string(const Json& model)> value;
  const char* ratio = nullptr;
  bool of_picture = false;
};

std::string bandwidth_text(const Json& model) {
  const double fraction = model["bandwidth_fraction"];
  const auto bytes = static_cast<int64_t>(model["decode_bandwidth"].get<double>());
  return fraction == 0 ? "-" : fmt::format("{}/s, {:.0f}%", short_bytes(bytes), 100 * fraction);
}

std::string parts_text(const Json& model) {
  std::string text;
  for (const auto& [name, parameters] : model["parts"].items())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        with_commas(parameters.get<int64_t>()));
  return text;
}

const std::vector<Row>& rows() {
  const auto bytes = [](const char* key) {
    return [key](const Json& model) { return short_bytes(model[key].get<int64_t>()); };
  };
  const auto time = [](const char* key) {
    return [key](const Json& model) { return time_spread(model[key]); };
  };
  static const std::vector<Row> table = {
      {"time to first token", time("first_token_seconds"), "first_token"},
      {"time per token", time("token_seconds"), "token"},
      {"whole request", time("total_seconds"), "total"},
      {"prompt tokens/s", [](const Json& m) { return rate(m["prompt_tokens_per_second"]); }},
      {"new tokens/s", [](const Json& m) { return rate(m["new_tokens_per_second"]); }},
      {"weights read a step", bytes("weight_bytes")},
      {"read while decoding", bandwidth_text},
      {"KV cache", bytes("kv_cache_bytes")},
      {"peak memory, anonymous", bytes("peak_anonymous_bytes")},
      {"peak memory, mapped", bytes("peak_mapped_bytes")},
      {"parameters", [](const Json& m) { return with_commas(m["parameters"].get<int64_t>()); }},
      {"of them not pruned", parts_text, nullptr, true},
      {"a picture's tower and projector",
       [](const Json& m) { return time_spread(m["picture"]["encode_seconds"]); }, nullptr, true},
      {"first token behind a picture",
       [](const Json& m) { return time_spread(m["picture"]["first_token_seconds"]); },
       "picture_first_token", true}};
  return table;
}

std::string bench_text(const Json& result) {
  const Json& models = result["models"];
  const bool two = models.size() > 1;
  Table table(two ? std::vector<std::string>{"", "MODEL", "OTHER", "MODEL / OTHER"}
                  : std::vector<std::string>{"", "MODEL"});
  const bool sees = result.contains("picture_tokens");
  for (const Row& row : rows()) {
    if (row.of_picture && !sees) continue;
    std::vector<std::string> cells = {row.name};
    for (const Json& model : models) cells.push_back(row.value(model));
    if (two) cells.push_back(row.ratio ? ratio_text(result["ratios"][0][row.ratio]) : "");
    table.add(cells);
  }
  const auto bandwidth = static_cast<int64_t>(result["read_bandwidth"]["median"].get<double>());
  const std::string picture =
      sees ? fmt::format("\na picture is {} tokens, which come before the prompt",
                         result["picture_tokens"].dump())
           : "";
  return table.text() + picture +
         fmt::format(
             "\n{} prompt + {} new tokens, batch {}, {}, {} threads; median of {} (smallest to "
             "largest)\nmemory reads at {}/s; others used {:.1f}% of the machine\n",
             result["prompt_tokens"].dump(), result["new_tokens"].dump(), result["batch"].dump(),
             result["dtype"].get<std::string>(), result["threads"].dump(), result["repeats"].dump(),
             short_bytes(bandwidth), 100 * result["foreign_load"].get<double>());
}

}  // namespace

Verb bench_verb() {
  return {"bench", "time to first token, time per token, memory", [](CLI::App& app) {
            auto job = std::make_shared<BenchJob>();
            LatencyOptions& options = job->options;
            app.add_option("MODEL", job->model, "folder of a checkpoint")->required();
            app.add_option("--vs", job->versus,
                           "another checkpoint to measure alternately; adds ratios")
                ->type_name("MODEL");
            const auto count = [&](const char* flag, int64_t& value, const char* help) {
              app.add_option(flag, value, help)->check(positive());
            };
            count("--prompt", options.prompt_tokens, "tokens per prompt (default 12)");
            count("--generate", options.new_tokens, "tokens to generate (default 128)");
            count("--batch", options.batch, "sequences at a time (default 1)");
            count("--repeat", options.repeats, "measured requests (default 5)");
            count("--warmup", options.warmups, "requests before the measured ones (default 1)");
            app.add_option("--seed", options.seed,
                           "seed of the prompts' random tokens (default 0)");
            add_compute_flags(app, job->compute);
            auto page = std::make_shared<std::filesystem::path>();
            add_report_flag(app, *page);
            return [job, page, &app](Progress& progress) {
              const Json result = bench(*job, progress);
              if (!page->empty()) write_measurement_report(*page, result, command_line(app));
              return Answer{result, bench_text(result)};
            };
          }};
}

}  // namespace mop
