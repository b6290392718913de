// eval/tasks/task.h -- what a zero-shot task is: a row of one table that says how a record of a
// data set becomes requests and how the answers are judged. Prompts as in lm-evaluation-harness.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace mop {

/// What a request asks for.
enum class TaskKind {
  kChoice,        ///< log-likelihoods of choices; the best one answers
  kContinuation,  ///< log-likelihood of one continuation, and whether it is the greedy one
  kRolling        ///< log-likelihood of a whole document
};

/// Score `continuation` behind `context`. A rolling request has no context.
struct TextRequest {
  std::string context, continuation;
};

/// One record, ready to be asked.
struct TaskItem {
  Json doc;                           ///< the record, with what the task derived from it
  std::vector<TextRequest> requests;  ///< one a choice, in order
  int64_t gold = 0;                   ///< the right choice
  std::vector<int64_t> choice_chars;  ///< kChoice: characters of each choice's text
  std::vector<std::string> pictures;  ///< names of files, in the order of their words in contexts
  /// What the tokenizer adds by its own rule, where a chat template wrote the contexts.
  std::optional<Special> special;
  Json target;  ///< the right answer, as samples show it
  /// The record as a solved example in front of a question.
  std::string shot_question, shot_answer;
  int64_t words = 0, bytes = 0;  ///< kRolling: of the original text
};

/// A row of the table.
struct Task {
  std::string name;     ///< as in lm-evaluation-harness
  std::string summary;  ///< one line for `mop list tasks`
  std::string dataset;  ///< on the Hub
  std::string file;     ///< beginning of the data file's name: FILE-SPLIT.jsonl
  std::string split;    ///< what is evaluated
  TaskKind kind;
  double version;  ///< of the task's definition there
  std::vector<std::string> metrics;
  /// `where` names file and line in errors. Throws Error(kBadInput) for a record it cannot read.
  TaskItem (*read)(const Json& record, const std::string& where);
  std::string needs = {};    ///< a field that records must have,
  std::string instead = {};  ///< else this task is run in its place
  bool message = false;      ///< contexts are a user's message where the model has a chat template
  bool sees = false;         ///< records may name pictures; there are no solved examples
};

std::span<const Task> all_tasks();
/// Throws Error(kUsage), listing the known names.
const Task& find_task(std::string_view name);

// The functions behind the rows.
TaskItem read_arc(const Json& record, const std::string& where);
TaskItem read_openbookqa(const Json& record, const std::string& where);
TaskItem read_piqa(const Json& record, const std::string& where);
TaskItem read_hellaswag(const Json& record, const std::string& where);
TaskItem read_hellaswag_ctx(const Json& record, const std::string& where);
TaskItem read_winogrande(const Json& record, const std::string& where);
TaskItem read_scienceqa(const Json& record, const std::string& where);
TaskItem read_scienceqa_choices(const Json& record, const std::string& where);
TaskItem read_scienceqa_plain(const Json& record, const std::string& where);
TaskItem read_pope(const Json& record, const std::string& where);
TaskItem read_pope_choices(const Json& record, const std::string& where);
TaskItem read_boolq(const Json& record, const std::string& where);
TaskItem read_lambada(const Json& record, const std::string& where);
TaskItem read_wikitext(const Json& record, const std::string& where);

/// WikiText's spaced tokens as plain text again.
std::string detokenize_wikitext(std::string_view page);

}  // namespace mop
