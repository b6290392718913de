#include "eval/tasks/python_text.h"

#include <utf8proc.h>

#include "base/utf8.h"
#include "text/unicode.h"

namespace mop {

bool is_python_space(char32_t value) {
  return is_white_space(value) || (value >= 0x1C && value <= 0x1F);
}

size_t leading_space(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const CodePoint c = code_point_at(text, end);
    if (!is_python_space(c.value)) break;
    end += c.bytes;
  }
  return end;
}

size_t trailing_space(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    const CodePoint c = code_point_before(text, begin);
    if (!is_python_space(c.value)) break;
    begin -= c.bytes;
  }
  return text.size() - begin;
}

std::string strip(std::string_view text) {
  text.remove_suffix(trailing_space(text));
  text.remove_prefix(leading_space(text));
  return std::string(text);
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t begin = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, begin)) {
    out += text.substr(begin, at - begin);
    out += to;
    begin = at + from.size();
  }
  return out += text.substr(begin);
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const CodePoint first = code_point_at(text, 0);
  std::string out;
  append_utf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(first.value))),
              out);
  return out + to_lower_case(text.substr(first.bytes));
}

int64_t num_characters(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += !continues_letter(c);
  return count;
}

int64_t num_words(std::string_view text) {
  int64_t words = 1;
  bool in_space = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const bool space = is_python_space(c.value);
    if (space && !in_space) ++words;
    in_space = space;
    at += c.bytes;
  }
  return words;
}

}  // namespace mop
