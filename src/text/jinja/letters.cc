// text/jinja/letters.cc
#include "text/jinja/letters.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/jinja/work.h"
#include "text/unicode.h"

namespace mop::jinja {
namespace {

template <typename Change>
std::string changed(std::string_view text, Change change) {
  Work::letters(text.size());
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    change(c.value, out);
    at += c.bytes;
  }
  return out;
}

void append_lower(char32_t c, std::string& out) {
  append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

// The sharp s is the only common letter whose upper case has two characters.
void append_upper(char32_t c, std::string& out) {
  if (c == U'\u00DF') {
    out += "SS";
    return;
  }
  append_utf8(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))), out);
}

void append_title(char32_t c, std::string& out) {
  if (c == U'\u00DF') {
    out += "Ss";
    return;
  }
  append_utf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))), out);
}

bool is_blank(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

// Returns the bytes of the first (or last) character if it can be stripped; 0 if not.
size_t strippable(std::string_view text, const std::string* letters, bool at_end) {
  if (text.empty()) return 0;
  const CodePoint c = at_end ? code_point_before(text, text.size()) : code_point_at(text, 0);
  if (letters == nullptr) return is_blank(c.value) ? c.bytes : 0;
  const std::string_view letter =
      at_end ? text.substr(text.size() - c.bytes) : text.substr(0, c.bytes);
  return letters->find(letter) == letters->npos ? 0 : c.bytes;
}

size_t word_end(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && strippable(text.substr(at), nullptr, false) == 0) {
    at += code_point_at(text, at).bytes;
  }
  return at;
}

size_t word_begin(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && strippable(text.substr(0, at), nullptr, true) == 0) {
    at -= code_point_before(text, at).bytes;
  }
  return at;
}

std::string_view stripped(std::string_view text, const std::string* letters, bool left,
                          bool right) {
  const size_t looked_at = letters == nullptr ? 0 : letters->size() >> 4, before = text.size();
  for (const bool at_end : {false, true}) {
    while (at_end ? right : left) {
      const size_t bytes = strippable(text, letters, at_end);
      if (bytes == 0) break;
      Work::steps(looked_at);
      at_end ? text.remove_suffix(bytes) : text.remove_prefix(bytes);
    }
  }
  Work::letters(before - text.size());
  return text;
}

// When the limit stops the splitting, Python keeps the white space after the last part.
std::vector<std::string> words(std::string_view text, int64_t limit, bool from_right) {
  std::vector<std::string> parts;
  std::string_view rest = stripped(text, nullptr, !from_right, from_right);
  while (!rest.empty()) {
    const bool last = std::ssize(parts) == limit;
    const size_t begin = from_right && !last ? word_begin(rest) : 0;
    const size_t end = from_right || last ? rest.size() : word_end(rest);
    parts.emplace_back(rest.substr(begin, end - begin));
    Work::check_elements(parts.size());
    rest = from_right ? rest.substr(0, begin) : rest.substr(end);
    rest = stripped(rest, nullptr, !from_right, from_right);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

Case case_of(char32_t letter) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(letter))) {
    case UTF8PROC_CATEGORY_LL:
      return Case::kLower;
    case UTF8PROC_CATEGORY_LU:
      return Case::kUpper;
    case UTF8PROC_CATEGORY_LT:
      return Case::kTitle;
    default:
      return Case::kNone;
  }
}

bool is_letter(char32_t letter) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(letter));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

std::string upper(std::string_view text) { return changed(text, append_upper); }
std::string lower(std::string_view text) { return changed(text, append_lower); }

std::string capitalized(std::string_view text) {
  bool first = true;
  return changed(text, [&](char32_t c, std::string& out) {
    first ? append_title(c, out) : append_lower(c, out);
    first = false;
  });
}

std::string title(std::string_view text) {
  bool inside = false;
  return changed(text, [&](char32_t c, std::string& out) {
    inside ? append_lower(c, out) : append_title(c, out);
    inside = case_of(c) != Case::kNone;
  });
}

std::string swapped_case(std::string_view text) {
  return changed(text, [](char32_t c, std::string& out) {
    case_of(c) == Case::kLower ? append_upper(c, out) : append_lower(c, out);
  });
}

std::string strip(std::string_view text, const std::string* letters, bool left, bool right) {
  return std::string(stripped(text, letters, left, right));
}

std::vector<std::string> split(std::string_view text, const std::string* separator, int64_t limit,
                               bool from_right) {
  if (separator == nullptr) return words(text, limit, from_right);
  if (separator->empty()) throw bad_input("a text cannot be split at an empty one");
  std::vector<std::string> parts;
  Work::search(text.size(), separator->size());
  while (std::ssize(parts) != limit) {
    const size_t at = from_right ? text.rfind(*separator) : text.find(*separator);
    if (at == text.npos) break;
    const size_t behind = at + separator->size();
    parts.emplace_back(from_right ? text.substr(behind) : text.substr(0, at));
    Work::check_elements(parts.size());
    text = from_right ? text.substr(0, at) : text.substr(behind);
  }
  parts.emplace_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const bool ends = (c.value >= 0x0A && c.value <= 0x0D) ||
                      (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                      c.value == 0x2028 || c.value == 0x2029;
    size_t behind = at + c.bytes;
    if (ends) {
      if (c.value == '\r' && behind < text.size() && text[behind] == '\n') ++behind;
      lines.emplace_back(text.substr(begin, (keep_ends ? behind : at) - begin));
      Work::check_elements(lines.size());
      begin = behind;
    }
    at = behind;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::vector<std::string> letters_of(std::string_view text) {
  constexpr size_t kShortText = size_t{1} << 20;
  text.size() <= kShortText ? Work::letters(text.size()) : Work::make_elements(text.size());
  std::vector<std::string> letters;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = code_point_at(text, at).bytes;
    letters.emplace_back(text.substr(at, bytes));
    at += bytes;
  }
  return letters;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count) {
  std::string out;
  count = std::max<int64_t>(count, -1);  // a negative count has no limit
  if (from.empty()) {                    // Python inserts it between all characters
    for (const std::string& letter : letters_of(text)) {
      if (count-- != 0) out += to;
      Work::check_length(out.size());
      if (count < 0) count = -1;
      out += letter;
    }
    return count == 0 ? out : out + std::string(to);
  }
  Work::search(text.size(), from.size());
  for (size_t at = 0; count-- != 0 && (at = text.find(from)) != text.npos;) {
    out.append(text.substr(0, at)).append(to);
    Work::check_length(out.size());
    text.remove_prefix(at + from.size());
  }
  return out.append(text);
}

std::string padded(const std::string& text, int64_t width, char side, const std::string& fill) {
  const auto size = static_cast<int64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_letter(c); }));
  if (width > (int64_t{1} << 24)) throw bad_input("a text cannot be padded to {} letters", width);
  const int64_t missing = width > size ? width - size : 0;
  Work::check_length(text.size() + static_cast<size_t>(missing) * fill.size());
  Work::letters(static_cast<size_t>(missing));
  // Python's str.center puts the extra fill character on the left when the width is odd.
  const int64_t left = side == '<'   ? 0
                       : side == '>' ? missing
                                     : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

}  // namespace mop::jinja
