// cli/verbs/tokenize.cc -- mop tokenize MODEL|TOKENIZER-FILE --text FILE
#include <fmt/format.h>

#include "cli/verb.h"

namespace mop {

Verb tokenize_verb() {
  return {"tokenize", "ids of every line of a file",
          [](CLI::App& app) {
            auto job = std::make_shared<TokenizeJob>();
            app.add_option("MODEL", job->tokenizer, "folder of a checkpoint, or a tokenizer file")
                ->required();
            app.add_option("--text", job->text, "every line is tokenised by itself")->required();
            app.add_flag("--special", job->special, "add BOS and EOS by the tokenizer's own rule");
            return [job](Progress&) {
              const auto lines = tokenize(*job);
              std::string text;
              for (const auto& ids : lines) text += fmt::format("{}\n", fmt::join(ids, " "));
              return Answer{{{"lines", lines}}, text};
            };
          },
          ModelPart::kTokenizer};
}

}  // namespace mop
