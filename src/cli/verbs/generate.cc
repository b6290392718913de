// cli/verbs/generate.cc -- mop generate MODEL --prompt TEXT
#include "cli/verb.h"

namespace mop {

Verb generate_verb() {
  return {"generate", "continue a text", [](CLI::App& app) {
            auto job = std::make_shared<GenerateJob>();
            app.add_option("MODEL", job->model, "folder of a checkpoint")->required();
            app.add_option("--adapter", job->adapter, "PEFT adapter folder to merge into MODEL");
            app.add_option("--prompt", job->prompt, "the text to continue")->required();
            app.add_option("--max-new-tokens", job->max_new_tokens,
                           "at most this many (default 128)")
                ->check(not_negative());
            app.add_option("--temperature", job->temperature,
                           "0 = always the likeliest token (default)")
                ->check(not_negative());
            app.add_option("--seed", job->seed, "of the draws with a temperature (default 0)");
            add_compute_flags(app, job->compute);
            return [job](Progress& progress) {
              const Json result = generate_text(*job, progress);
              return Answer{result, result["text"].get<std::string>() + "\n"};
            };
          }};
}

}  // namespace mop
