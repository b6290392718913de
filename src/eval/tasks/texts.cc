// eval/tasks/texts.cc -- plain-text records: LAMBADA and WikiText.
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace mop {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// re.sub(r"/' [0-9]/", r"/'[0-9]/", text): the replacement is this literal string.
std::string number_quotes(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view here = text.substr(at, 5);
    if (here.size() == 5 && here.starts_with("/' ") && is_digit(here[3]) && here[4] == '/') {
      out += "/'[0-9]/";
      at += 5;
    } else {
      out += text[at++];
    }
  }
  return out;
}

// Removes white space directly inside a pair of marks; pairs neither nest nor overlap.
std::string tighten(std::string_view text, char open, char close) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text[at] == open ? text.find(close, at + 1) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[at++];
      continue;
    }
    out += open + strip(text.substr(at + 1, end - at - 1)) + close;
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string detokenize_wikitext(std::string_view page) {
  std::string text = number_quotes(replace_all(page, "s '", "s'"));
  const auto replace = [&](std::string_view from, std::string_view to) {
    text = replace_all(text, from, to);
  };
  replace(" @-@ ", "-");
  replace(" @,@ ", ",");
  replace(" @.@ ", ".");
  for (const std::string mark : {":", ";", ".", "!", "?", ","}) {
    replace(" " + mark + " ", mark + " ");
  }
  text = tighten(text, '(', ')');
  text = tighten(text, '[', ']');
  text = tighten(text, '{', '}');
  text = tighten(text, '"', '"');
  text = tighten(text, '\'', '\'');
  replace("= = = =", "====");
  replace("= = =", "===");
  replace("= =", "==");
  replace(" \u00b0 ", "\u00b0");
  replace(" \n", "\n");
  replace("\n ", "\n");
  replace(" N ", " 1 ");
  replace(" 's", "'s");
  return text;
}

TaskItem read_wikitext(const Json& record, const std::string& where) {
  const auto page = require<std::string>(record, "page", where);
  TaskItem item;
  item.doc = record;
  item.requests.push_back({"", detokenize_wikitext(page)});
  item.target = item.requests[0].continuation;
  item.words = num_words(page);
  item.bytes = static_cast<int64_t>(page.size());
  return item;
}

TaskItem read_lambada(const Json& record, const std::string& where) {
  const auto text = require<std::string>(record, "text", where);
  const size_t space = text.rfind(' ');
  const bool one_word = space == std::string::npos;
  TaskItem item;
  item.doc = record;
  item.requests.push_back(
      {one_word ? "" : text.substr(0, space), " " + (one_word ? text : text.substr(space + 1))});
  item.target = item.requests[0].continuation;
  item.shot_question = item.requests[0].context;
  item.shot_answer = item.requests[0].continuation;
  return item;
}

}  // namespace mop
