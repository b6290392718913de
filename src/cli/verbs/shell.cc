// cli/verbs/shell.cc -- mop completion SHELL and mop man
#include <fmt/ranges.h>

#include "cli/completion.h"
#include "cli/verb.h"

namespace mop {
namespace {

Answer written(const std::string& text) {
  return {.json = {{"text", text}}, .text = text, .verbatim = true};
}

}  // namespace

Verb completion_verb() {
  return {"completion", "a script that completes verbs, flags, names and settings",
          [](CLI::App& app) {
            auto shell = std::make_shared<std::string>();
            app.add_option("SHELL", *shell, fmt::format("{}", fmt::join(completion_shells(), ", ")))
                ->required();
            return [shell](Progress&) { return written(completion_script(*shell)); };
          }};
}

Verb man_verb() {
  return {"man", "the manual page: all verbs, flags and settings",
          [](CLI::App&) { return [](Progress&) { return written(manual_page()); }; }};
}

}  // namespace mop
