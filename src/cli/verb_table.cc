// cli/verb_table.cc
#include "cli/verb_table.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "cli/setting_flags.h"
#include "jobs/outside_reader.h"
#include "recipe/catalog.h"

namespace mop {
namespace {

Verb with(const char* task, Verb verb, const char* example) {
  verb.task = task;
  verb.example = example;
  return verb;
}

// Flags that take names and are not settings of a recipe.
struct NamedValues {
  const char *verb, *flag;
  std::vector<std::string> (*values)();
};
const NamedValues kNamedValues[] = {
    {"score", "--criterion", [] { return row_names("criteria"); }},
    {"eval", "--protocol", [] { return row_names("protocols"); }},
    {"eval", "--tasks", [] { return row_names("tasks"); }},
    {"export", "--format", [] { return row_names("formats"); }},
    {"check", "--with", [] { return outside_readers(); }},
    {"list", "TABLE", catalog_names},
    {"completion", "SHELL", completion_shells},
};

std::vector<std::string> values_of(const std::string& verb, const std::string& flag) {
  if (const OptionSpec* setting = setting_of(verb, flag)) return setting->range.all_choices();
  for (const NamedValues& row : kNamedValues) {
    if (verb == row.verb && flag == row.flag) return row.values();
  }
  return {};
}

void add_flags(const CLI::App& app, const std::string& verb, std::vector<VerbFlag>& flags) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->nonpositional() ? option->get_name() : option->get_name(true);
    const std::string one = name.substr(name.find("--") == name.npos ? 0 : name.find("--"));
    const bool takes_value = option->get_items_expected_max() > 0;
    flags.push_back({one, takes_value ? option->get_type_name() : "", option->get_description(),
                     values_of(verb, one)});
  }
  // CLI11 stores option groups as unnamed parsers.
  for (const CLI::App* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    add_flags(*group, verb, flags);
  }
}

// A device or a pipe, as /dev/stdout, is not replaced.
void refuse_existing_files(const CLI::App& app) {
  for (const char* flag : {"--out", "--report"}) {
    const CLI::Option* option = app.get_option_no_throw(flag);
    if (option == nullptr || option->empty()) continue;
    const auto file = option->as<std::string>();
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) continue;
    throw usage_error("the file of {} exists", flag)
        .where("file", file)
        .hint("--force replaces it; or choose another file");
  }
}

}  // namespace

const std::vector<Verb>& all_verbs() {
  constexpr auto *kLook = "Look at a model", *kPrune = "Make it smaller", *kTrain = "Train",
                 *kMeasure = "Measure", *kUse = "Use", *kShell = "Shell";
  static const std::vector<Verb> table = {
      with(kLook, inspect_verb(), "mop inspect org/model"),
      with(kLook, plan_verb(), "mop plan org/model --remove 0.3"),
      with(kLook, list_verb(), "mop list criteria wanda-sp"),
      with(kPrune, prune_verb(),
           "mop prune org/model --remove 0.3 --calibration text.txt --out smaller"),
      with(kPrune, score_verb(),
           "mop score org/model --criterion amp-heads,amp-neurons --calibration text.txt "
           "--out scores.safetensors"),
      with(kTrain, recover_verb(), "mop recover smaller --data text.txt --out recovered"),
      with(kTrain, train_verb(),
           "mop train --config config.json --tokenizer org/model --data text.txt --out fresh"),
      with(kMeasure, eval_verb(),
           "mop eval smaller --vs org/model --text test.txt --protocol windows:2048"),
      with(kMeasure, bench_verb(), "mop bench smaller --vs org/model"),
      with(kMeasure, report_verb(), "mop report smaller recovered --out report.html"),
      with(kUse, generate_verb(), "mop generate smaller --prompt 'Once upon a time'"),
      with(kUse, tokenize_verb(), "mop tokenize smaller --text text.txt"),
      with(kUse, export_verb(), "mop export smaller --format gguf --out smaller.gguf"),
      with(kUse, check_verb(), "mop check smaller"),
      with(kShell, completion_verb(),
           "mop completion bash > ~/.local/share/bash-completion/completions/mop"),
      with(kShell, man_verb(), "mop man > ~/.local/share/man/man1/mop.1")};
  return table;
}

std::function<Answer(Progress&)> declare(CLI::App& app, const Verb& verb, CommonFlags& common) {
  app.add_flag("--json", common.json, "print one JSON object");
  const auto work = verb.setup(app);
  if (app.get_option_no_throw("--out") == nullptr) {
    app.add_option("--out", common.out, "write the JSON to this file too")->type_name("FILE");
  }
  app.footer("Example:\n  " + verb.example);
  if (app.get_option_no_throw("--force") != nullptr) return work;  // jobs that check their folders
  app.add_flag("--force", common.force, "replace existing files");
  return [work, &app, &common](Progress& progress) {
    if (!common.force) refuse_existing_files(app);
    return work(progress);
  };
}

std::vector<VerbFlag> flags_of(const Verb& verb) {
  CLI::App app(verb.summary, verb.name);
  CommonFlags common;
  declare(app, verb, common);
  std::vector<VerbFlag> flags;
  add_flags(app, verb.name, flags);
  std::stable_partition(flags.begin(), flags.end(), std::mem_fn(&VerbFlag::is_argument));
  return flags;
}

}  // namespace mop
