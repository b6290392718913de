// cli/verbs/generate.cc -- mop generate MODEL --prompt TEXT | --chat --prompt TEXT | --messages
// FILE
#include "base/error.h"
#include "cli/verb.h"

namespace mop {

Verb generate_verb() {
  return {
      "generate", "continue a text", [](CLI::App& app) {
        auto job = std::make_shared<GenerateJob>();
        app.add_option("MODEL", job->model, "folder of a checkpoint")->required();
        app.add_option("--adapter", job->adapter, "PEFT adapter folder to merge into MODEL");
        auto* prompts = app.add_option_group("prompt", "input of the model");
        prompts->add_option("--prompt", job->prompt,
                            "the text to continue; with --chat the user's message");
        prompts->add_option(
            "--messages", job->messages,
            "a conversation for the model's chat template: JSON, a list of messages or "
            "{messages, tools}");
        prompts->require_option(1);
        app.add_flag("--chat", job->chat, "format the prompt with the model's chat template");
        app.add_option(
               "--image", job->images,
               "a picture (PNG, JPEG) for each <image> of the prompt; with --chat they come "
               "before the message. Only for LLaVA")
            ->allow_extra_args(false);
        app.add_option("--system", job->system, "the system's message, with --chat or --messages");
        app.add_option("--max-new-tokens", job->max_new_tokens, "at most this many (default 128)")
            ->check(not_negative());
        app.add_option("--temperature", job->temperature,
                       "0 = always the most likely token (default)")
            ->check(not_negative());
        app.add_option("--seed", job->seed, "seed for sampling with a temperature (default 0)");
        add_compute_flags(app, job->compute);
        return [job](Progress& progress) {
          job->chat = job->chat || !job->messages.empty();
          if (!job->chat && !job->system.empty())
            throw usage_error("--system needs --chat or --messages");
          const Json result = generate_text(*job, progress);
          return Answer{
              .json = result, .text = result["text"].get<std::string>() + "\n", .verbatim = true};
        };
      }};
}

}  // namespace mop
