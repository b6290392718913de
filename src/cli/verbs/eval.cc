// cli/verbs/eval.cc -- mop eval MODEL --text FILE --protocol NAME
#include "cli/verb.h"
#include "report/table.h"

namespace mop {
namespace {

std::string text_of(const Json& result) {
  return facts({{"perplexity", fmt::format("{:.4f}", result["perplexity"].get<double>())},
                {"nll", fmt::format("{:.6f} nats a token", result["nll"].get<double>())},
                {"protocol", result["protocol"]},
                {"scored", fmt::format("{} tokens of {} documents",
                                       with_commas(result["scored_tokens"].get<int64_t>()),
                                       with_commas(result["documents"].get<int64_t>()))},
                {"bos", result["bos"]},
                {"dtype", result["dtype"]}});
}

}  // namespace

Verb eval_verb() {
  return {"eval", "perplexity by a named protocol", [](CLI::App& app) {
            auto job = std::make_shared<EvaluateJob>();
            app.add_option("MODEL", job->model, "folder of a checkpoint")->required();
            app.add_option("--text", job->text, "text to score")->required();
            app.add_option("--protocol", job->protocol, "see `mop list protocols`")->required();
            app.add_option("--seed", "accepted for symmetry: evaluation draws nothing");
            add_compute_flags(app, job->compute);
            return [job](Progress& progress) {
              const Json result = evaluate(*job, progress);
              return Answer{result, text_of(result)};
            };
          }};
}

}  // namespace mop
