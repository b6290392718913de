// text/jinja/cutter.cc -- splits a template into texts and tags.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/reader.h"
#include "text/unicode.h"

namespace mop::jinja {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

// Converts all line ends to "\n" and removes the last one.
std::string with_plain_lines(std::string source) {
  size_t kept = 0;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    source[kept++] = source[i] == '\r' ? '\n' : source[i];
  }
  source.resize(kept);
  if (source.ends_with('\n')) source.pop_back();
  return source;
}

// Returns the end of the tag that begins at `begin`, skipping quoted strings and nested braces.
size_t end_of_tag(std::string_view source, size_t begin, char close) {
  int depth = 0;
  char quote = 0;
  for (size_t at = begin; at + 1 < source.size(); ++at) {
    const char c = source[at];
    if (quote != 0) {
      if (c == '\\') ++at;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (depth == 0 && c == close && source[at + 1] == '}') {
      return at;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}') {
      --depth;
    }
  }
  throw bad_input("a tag is not closed");
}

class Cutter {
 public:
  explicit Cutter(const std::string& source) : source_(with_plain_lines(source)) {}

  std::vector<Segment> cut() {
    while (at_ < source_.size()) {
      const size_t tag = next_tag();
      add_text(tag);
      if (tag == source_.size()) break;
      add_tag(tag);
    }
    return std::move(segments_);
  }

  int line() const { return line_of(at_); }

 private:
  // Counts from the last position, or from the start when that is later.
  int line_of(size_t at) const {
    if (at < counted_) counted_ = 0, line_ = 1;
    const auto place = [&](size_t i) { return source_.begin() + static_cast<ptrdiff_t>(i); };
    line_ += static_cast<int>(std::count(place(counted_), place(at), '\n'));
    counted_ = at;
    return line_;
  }

  char letter(size_t at) const { return at < source_.size() ? source_[at] : ' '; }

  size_t next_tag() const {
    for (size_t at = source_.find('{', at_); at != source_.npos; at = source_.find('{', at + 1)) {
      const char kind = letter(at + 1);
      if (kind == '{' || kind == '%' || kind == '#') return at;
    }
    return source_.size();
  }

  // Adds the text before a tag. `{%-` removes all white space before it; a statement or comment
  // without a sign removes the blanks of its line when only blanks precede it there.
  void add_text(size_t tag) {
    std::string text = source_.substr(at_, tag - at_);
    const int line = line_of(at_);
    at_ = tag;
    const char kind = letter(tag + 1), sign = letter(tag + 2);
    if (tag < source_.size() && sign == '-') {
      text.erase(text.find_last_not_of(kBlanks) + 1);
    } else if (tag < source_.size() && kind != '{' && sign != '+') {
      const size_t newline = text.rfind('\n');
      const size_t start = newline == text.npos ? 0 : newline + 1;
      const bool blank = text.find_first_not_of(kBlanks, start) == text.npos;
      if (blank && (start > 0 || at_line_start_)) text.erase(start);
    }
    if (!text.empty()) segments_.push_back({Segment::Kind::kText, text, line});
  }

  // Moves past the closing brace of a tag at `end`: "-" removes all white space that follows; a
  // statement or comment without a sign removes one line end.
  void leave(size_t end, char sign, bool trims) {
    at_ = end;
    if (sign == '-') {
      at_ = std::min(source_.find_first_not_of(kBlanks, at_), source_.size());
    } else if (trims && sign != '+' && letter(at_) == '\n') {
      ++at_;
    }
    at_line_start_ = source_[at_ - 1] == '\n';
  }

  void add_tag(size_t tag) {
    const char kind = source_[tag + 1];
    size_t begin = tag + 2;
    if (kind == '#') {
      const size_t end = source_.find("#}", begin);
      if (end == source_.npos) throw bad_input("a comment is not closed");
      return leave(end + 2, end > begin ? source_[end - 1] : ' ', true);
    }
    size_t end = end_of_tag(source_, begin, kind == '{' ? '}' : '%');
    const size_t behind = end + 2;
    if (begin < end && (source_[begin] == '-' || source_[begin] == '+')) ++begin;
    char sign = end > begin ? source_[end - 1] : ' ';
    if (kind == '{' && sign == '+') sign = ' ';
    if (sign == '-' || sign == '+') --end;
    const std::string inside = source_.substr(begin, end - begin);
    if (kind == '%' && is_word(inside, "raw")) return add_raw(behind, sign);
    segments_.push_back(
        {kind == '{' ? Segment::Kind::kOutput : Segment::Kind::kStatement, inside, line_of(tag)});
    leave(behind, sign, kind == '%');
  }

  static bool is_word(std::string_view inside, std::string_view word) {
    const size_t begin = std::min(inside.find_first_not_of(kBlanks), inside.size());
    return inside.substr(begin, inside.find_last_not_of(kBlanks) + 1 - begin) == word;
  }

  // {% raw %}: text without tags until {% endraw %}.
  void add_raw(size_t begin, char sign) {
    leave(begin, sign, false);
    for (size_t tag = source_.find("{%", at_); tag != source_.npos;
         tag = source_.find("{%", tag + 2)) {
      size_t inner = tag + 2, end = source_.find("%}", inner);
      if (end == source_.npos) break;
      const size_t behind = end + 2;
      if (letter(inner) == '-' || letter(inner) == '+') ++inner;
      const char last = source_[end - 1];
      if (end > inner && (last == '-' || last == '+')) --end;
      if (end < inner || !is_word(std::string_view(source_).substr(inner, end - inner), "endraw"))
        continue;
      add_text(tag);
      return leave(behind, last, true);
    }
    throw bad_input("'endraw' is missing at the end of the template");
  }

  std::string source_;
  size_t at_ = 0;
  bool at_line_start_ = true;
  mutable size_t counted_ = 0;
  mutable int line_ = 1;
  std::vector<Segment> segments_;
};

}  // namespace

std::vector<Segment> cut(const std::string& source) {
  Cutter cutter(source);
  try {
    return cutter.cut();
  } catch (Error& e) {
    throw std::move(e).where("template line", std::to_string(cutter.line()));
  }
}

}  // namespace mop::jinja
