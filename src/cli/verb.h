// cli/verb.h -- a verb of the program is a row {name, summary, setup}: one file each, one table.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>

#include "base/json.h"
#include "base/progress.h"
#include "pipeline/model_source.h"
#include "pipeline/tasks.h"

namespace mop {

/// What a verb leaves: for machines, and for people.
struct Answer {
  Json json;         ///< printed with --json
  std::string text;  ///< printed without
};

struct Verb {
  std::string name;
  std::string summary;
  /// Declares the verb's arguments and returns what runs once they are parsed.
  std::function<std::function<Answer(Progress&)>(CLI::App&)> setup;
  ModelPart part = ModelPart::kAll;  ///< what it reads of MODEL
};

Verb inspect_verb();
Verb plan_verb();
Verb score_verb();
Verb prune_verb();
Verb eval_verb();
Verb bench_verb();
Verb generate_verb();
Verb tokenize_verb();
Verb list_verb();

/// --device, --dtype and --threads: shared by all verbs that compute. Threads take effect when
/// parsed.
void add_compute_flags(CLI::App& app, ComputeChoice& choice);
void add_threads_flag(CLI::App& app);

}  // namespace mop
