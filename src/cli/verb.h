// cli/verb.h -- the verbs of the program: one file and one row {name, summary, setup} each.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "jobs/tasks.h"
#include "run/model_source.h"

namespace mop {

/// The output of a verb, for machines and for people.
struct Answer {
  Json json;            ///< printed with --json
  std::string text;     ///< printed without --json
  bool silent = false;  ///< print nothing, because another rank prints the result
  int exit = 0;         ///< exit code: a failed check is a result
  /// `text` is a model's output; control characters are escaped only for a terminal.
  bool verbatim = false;
};

struct Verb {
  std::string name;
  std::string summary;
  /// Declares the verb's arguments and returns the function to run after parsing.
  std::function<std::function<Answer(Progress&)>(CLI::App&)> setup;
  ModelPart part = ModelPart::kAll;  ///< the parts of MODEL that the verb reads
  std::string task = {};             ///< heading in the help
  std::string example = {};          ///< a command line
};

Verb inspect_verb();
Verb plan_verb();
Verb score_verb();
Verb prune_verb();
Verb recover_verb();
Verb train_verb();
Verb eval_verb();
Verb bench_verb();
Verb report_verb();
Verb generate_verb();
Verb tokenize_verb();
Verb export_verb();
Verb check_verb();
Verb list_verb();
Verb completion_verb();
Verb man_verb();

/// Shells that `mop completion` supports.
std::vector<std::string> completion_shells();

/// Runs `work` as one rank of the job in the environment (RANK, WORLD_SIZE, ...). Ranks other than
/// 0 report nothing.
Answer as_rank(Progress& progress, const std::function<Answer(Progress&, Collectives&)>& work);

/// Adds --device, --dtype and --threads. --threads takes effect when it is parsed.
void add_compute_flags(CLI::App& app, ComputeChoice& choice);
void add_threads_flag(CLI::App& app);

/// --report FILE of verbs that measure.
void add_report_flag(CLI::App& app, std::filesystem::path& file);
/// The verb's command line, quoted for a shell, without --report.
std::string command_line(const CLI::App& app);

/// Accept numbers from 0, and above 0, up to 2^31 - 1.
CLI::Validator not_negative();
CLI::Validator positive();

}  // namespace mop
