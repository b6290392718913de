// eval/tasks/choices.cc -- converts records of multiple-choice data sets to requests. Each choice
// is scored after its context and a space, except for WinoGrande, where the contexts differ.
#include "base/error.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"
#include "text/question_prompt.h"
#include "text/record_pictures.h"

namespace mop {
namespace {

int64_t checked_gold(int64_t gold, size_t choices, const std::string& where) {
  if (gold < 0 || gold >= static_cast<int64_t>(choices)) {
    throw bad_input("the answer is number {} of {} choices", gold, choices)
        .where("record", where)
        .hint("a split without answers cannot be evaluated");
  }
  return gold;
}

std::vector<std::string> texts(const Json& list, const std::string& where) {
  std::vector<std::string> out;
  for (const Json& text : list) {
    if (!text.is_string()) throw bad_input("a choice is not a string").where("record", where);
    out.push_back(text);
  }
  if (out.empty()) throw bad_input("there are no choices").where("record", where);
  return out;
}

const Json& list_of(const Json& record, const char* key, const std::string& where) {
  if (!record.contains(key) || !record[key].is_array()) {
    throw bad_input("'{}' is missing or no list", key).where("record", where);
  }
  return record[key];
}

TaskItem one_context(Json doc, const std::string& context, const std::vector<std::string>& choices,
                     int64_t gold, const std::string& where) {
  TaskItem item;
  item.doc = std::move(doc);
  item.gold = checked_gold(gold, choices.size(), where);
  for (const std::string& choice : choices) {
    item.requests.push_back({context, " " + choice});
    item.choice_chars.push_back(num_characters(choice));
  }
  item.target = item.gold;
  item.shot_question = context;
  item.shot_answer = choices[static_cast<size_t>(item.gold)];
  return item;
}

// ARC and OpenBookQA: {"choices": {"text": [..], "label": [..]}, "answerKey": one of the labels}.
TaskItem labelled(const Json& record, const std::string& context, const std::string& key,
                  const std::string& where) {
  if (!record.contains("choices")) throw bad_input("'choices' is missing").where("record", where);
  const Json& choices = record["choices"];
  const auto labels = texts(list_of(choices, "label", where), where);
  const auto found = std::find(labels.begin(), labels.end(), key);
  if (found == labels.end()) {
    throw bad_input("answerKey '{}' is none of the labels", key).where("record", where);
  }
  return one_context(record, context, texts(list_of(choices, "text", where), where),
                     found - labels.begin(), where);
}

// Removes brackets left over from WikiHow: `re.sub("\[.*?\]", "", text)`.
std::string without_brackets(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '[') {
      const size_t end = text.find_first_of("]\n", at);
      if (end != std::string_view::npos && text[end] == ']') {
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

std::string clean_hellaswag(std::string_view text) {
  return replace_all(without_brackets(replace_all(strip(text), " [title]", ". ")), "  ", " ");
}

TaskItem hellaswag(const Json& record, const std::string& context, const std::string& where) {
  std::vector<std::string> choices;
  for (const std::string& ending : texts(list_of(record, "endings", where), where)) {
    choices.push_back(clean_hellaswag(ending));
  }
  const auto label = require<std::string>(record, "label", where);
  constexpr size_t kDigits = 9;  // of any number of endings
  if (label.empty() || label.size() > kDigits ||
      label.find_first_not_of("0123456789") != std::string::npos) {
    throw bad_input("label '{}' is no number", label)
        .where("record", where)
        .hint("a split without answers cannot be evaluated");
  }
  Json doc = record;
  doc["query"] =
      clean_hellaswag(require<std::string>(record, "activity_label", where) + ": " + context);
  doc["choices"] = choices;
  doc["gold"] = std::stoll(label);
  TaskItem item = one_context(doc, doc["query"], choices, doc["gold"], where);
  item.target = label;
  return item;
}

// Puts the placeholders of pictures before the question.
TaskItem with_pictures(const Json& record, const std::string& question,
                       const std::vector<std::string>& choices, int64_t gold,
                       const std::string& where) {
  const std::vector<std::string> pictures = pictures_of(record, where);
  TaskItem item =
      one_context(record, with_words_of_pictures(question, pictures.size()), choices, gold, where);
  item.pictures = pictures;
  return item;
}

std::vector<std::string> letters_of(size_t choices, const std::string& where) {
  if (choices > 26)
    throw bad_input("there are {} choices, at most 26 have a letter", choices)
        .where("record", where);
  std::vector<std::string> letters;
  for (size_t i = 0; i < choices; ++i) letters.emplace_back(1, static_cast<char>('A' + i));
  return letters;
}

// {question, choices, answer: index, hint?: context}; the hint precedes the question.
std::string scienceqa_question(const Json& record, const std::string& where) {
  const auto hint = get_or<std::string>(record, "hint", "", where);
  return (hint.empty() ? "" : "Context: " + hint + "\n") +
         require<std::string>(record, "question", where);
}

// {text, label: yes or no}. Precision and recall refer to the first choice.
TaskItem pope(const Json& record, const std::string& suffix,
              const std::vector<std::string>& choices, const std::string& where) {
  const auto label = require<std::string>(record, "label", where);
  if (label != "yes" && label != "no") {
    throw bad_input("the label is '{}', expected yes or no", label).where("record", where);
  }
  return with_pictures(record, require<std::string>(record, "text", where) + suffix, choices,
                       label == "no", where);
}

}  // namespace

TaskItem read_scienceqa(const Json& record, const std::string& where) {
  const std::vector<std::string> choices = texts(list_of(record, "choices", where), where);
  const std::vector<std::string> letters = letters_of(choices.size(), where);
  std::string question = scienceqa_question(record, where);
  for (size_t i = 0; i < choices.size(); ++i) question += "\n" + letters[i] + ". " + choices[i];
  question += "\nAnswer with the option's letter from the given choices directly.";
  return with_pictures(record, question, letters, require<int64_t>(record, "answer", where), where);
}

TaskItem read_scienceqa_choices(const Json& record, const std::string& where) {
  return with_pictures(record, scienceqa_question(record, where),
                       texts(list_of(record, "choices", where), where),
                       require<int64_t>(record, "answer", where), where);
}

TaskItem read_scienceqa_plain(const Json& record, const std::string& where) {
  const size_t choices = texts(list_of(record, "choices", where), where).size();
  return with_pictures(record, question_prompt(record, where), letters_of(choices, where),
                       require<int64_t>(record, "answer", where), where);
}

TaskItem read_pope(const Json& record, const std::string& where) {
  return pope(record, "\nAnswer the question using a single word or phrase.", {"Yes", "No"}, where);
}

TaskItem read_pope_choices(const Json& record, const std::string& where) {
  return pope(record, "", {"yes", "no"}, where);
}

TaskItem read_arc(const Json& record, const std::string& where) {
  const std::string question = require<std::string>(record, "question", where);
  return labelled(record, "Question: " + question + "\nAnswer:",
                  require<std::string>(record, "answerKey", where), where);
}

TaskItem read_openbookqa(const Json& record, const std::string& where) {
  const std::string key = require<std::string>(record, "answerKey", where);
  return labelled(record, require<std::string>(record, "question_stem", where),
                  key.substr(leading_space(key)), where);
}

TaskItem read_piqa(const Json& record, const std::string& where) {
  return one_context(
      record, "Question: " + require<std::string>(record, "goal", where) + "\nAnswer:",
      {require<std::string>(record, "sol1", where), require<std::string>(record, "sol2", where)},
      require<int64_t>(record, "label", where), where);
}

TaskItem read_hellaswag(const Json& record, const std::string& where) {
  return hellaswag(record,
                   require<std::string>(record, "ctx_a", where) + " " +
                       capitalize(require<std::string>(record, "ctx_b", where)),
                   where);
}

TaskItem read_hellaswag_ctx(const Json& record, const std::string& where) {
  return hellaswag(record, require<std::string>(record, "ctx", where), where);
}

TaskItem read_boolq(const Json& record, const std::string& where) {
  return one_context(record,
                     require<std::string>(record, "passage", where) + "\nQuestion: " +
                         require<std::string>(record, "question", where) + "?\nAnswer:",
                     {"no", "yes"}, require<int64_t>(record, "label", where), where);
}

// Each context is the text before the blank plus an option; the text after the blank is scored.
TaskItem read_winogrande(const Json& record, const std::string& where) {
  const auto sentence = require<std::string>(record, "sentence", where);
  const size_t blank = sentence.find('_');
  if (blank == std::string::npos) {
    throw bad_input("the sentence has no blank '_'").where("record", where);
  }
  const auto answer = require<std::string>(record, "answer", where);
  if (answer != "1" && answer != "2") {
    throw bad_input("the answer is '{}', expected 1 or 2", answer)
        .where("record", where)
        .hint("a split without answers cannot be evaluated");
  }
  const std::string rest = strip(std::string_view(sentence).substr(blank + 1));
  TaskItem item;
  item.doc = record;
  item.gold = answer == "2";
  for (const char* key : {"option1", "option2"}) {
    const std::string filled = sentence.substr(0, blank) + require<std::string>(record, key, where);
    item.requests.push_back({filled, " " + rest});
    item.choice_chars.push_back(num_characters(filled));
  }
  item.target = rest;
  item.shot_question = item.requests[static_cast<size_t>(item.gold)].context;
  item.shot_answer = rest;
  return item;
}

}  // namespace mop
