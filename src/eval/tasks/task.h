// eval/tasks/task.h -- the table of zero-shot tasks: how a record of a data set becomes requests
// and how the answers are scored. Prompts as in lm-evaluation-harness.
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

/// What is scored.
enum class TaskKind {
  kChoice,        ///< log-likelihoods of choices; the highest is the answer
  kContinuation,  ///< log-likelihood of one continuation, and whether it is the greedy one
  kRolling        ///< log-likelihood of a whole document
};

/// Scores `continuation` after `context`. A rolling request has no context.
struct TextRequest {
  std::string context, continuation;
  size_t examples = 0;  ///< bytes of the solved examples that the context begins with
};

/// One record with its requests.
struct TaskItem {
  Json doc;                           ///< the record, with fields that the task derived
  std::vector<TextRequest> requests;  ///< one per choice, in order
  int64_t gold = 0;                   ///< index of the correct choice
  std::vector<int64_t> choice_chars;  ///< kChoice: characters of each choice's text
  /// File names, in the order of their placeholders in the contexts.
  std::vector<std::string> pictures;
  /// Special tokens to add, where a chat template rendered the contexts.
  std::optional<Special> special;
  Json target;  ///< the correct answer, for sample logs
  /// The record as a solved example before a question.
  std::string shot_question, shot_answer;
  int64_t words = 0, bytes = 0;  ///< kRolling: size of the original text
};

/// A row of the table.
struct Task {
  std::string name;     ///< as in lm-evaluation-harness
  std::string summary;  ///< one line for `mop list tasks`
  std::string dataset;  ///< on the Hub
  std::string file;     ///< prefix of the data file's name: FILE-SPLIT.jsonl
  std::string split;    ///< the split to evaluate
  TaskKind kind;
  double version;  ///< of the task in lm-evaluation-harness
  std::vector<std::string> metrics;
  /// `where` names file and line in errors. Throws Error(kBadInput) for an invalid record.
  TaskItem (*read)(const Json& record, const std::string& where);
  std::string needs = {};    ///< a field that records must have;
  std::string instead = {};  ///< the task to use for records without it
  /// Whether contexts become a user's message if the model has a chat template.
  bool message = false;
  bool sees = false;  ///< whether records may have pictures; such tasks have no solved examples
};

std::span<const Task> all_tasks();
/// Throws Error(kUsage) listing the known names.
const Task& find_task(std::string_view name);

// Functions of the rows.
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

/// Converts WikiText's spaced tokens back to plain text.
std::string detokenize_wikitext(std::string_view page);

}  // namespace mop
