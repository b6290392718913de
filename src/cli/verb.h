// cli/verb.h -- a verb of the program is a row {name, summary, setup}: one file each, one table.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "pipeline/model_source.h"
#include "pipeline/tasks.h"

namespace mop {

/// What a verb leaves: for machines, and for people.
struct Answer {
  Json json;            ///< printed with --json
  std::string text;     ///< printed without
  bool silent = false;  ///< another rank says it
  int exit = 0;         ///< exit code: a check that failed is a result
  /// `text` is a model's own words: as they are, but for a terminal.
  bool verbatim = false;
};

struct Verb {
  std::string name;
  std::string summary;
  /// Declares the verb's arguments and returns what runs once they are parsed.
  std::function<std::function<Answer(Progress&)>(CLI::App&)> setup;
  ModelPart part = ModelPart::kAll;  ///< what it reads of MODEL
  std::string task = {};             ///< what the help lists it under
  std::string example = {};          ///< one command
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

/// Shells that `mop completion` writes for.
std::vector<std::string> completion_shells();

/// Runs `work` as one rank of the job that the environment describes (RANK, WORLD_SIZE, ...). Ranks
/// other than 0 report nothing.
Answer as_rank(Progress& progress, const std::function<Answer(Progress&, Collectives&)>& work);

/// --device, --dtype and --threads: shared by all verbs that compute. Threads take effect when
/// parsed.
void add_compute_flags(CLI::App& app, ComputeChoice& choice);
void add_threads_flag(CLI::App& app);

/// --report FILE of verbs that measure.
void add_report_flag(CLI::App& app, std::filesystem::path& file);
/// A command line that does the same, as a shell reads it: the verb's flags as they were given, but
/// for --report.
std::string command_line(const CLI::App& app);

/// Numbers from 0 up, and above 0. CLI11's own name the largest double there is, digit by digit.
CLI::Validator not_negative();
CLI::Validator positive();

}  // namespace mop
