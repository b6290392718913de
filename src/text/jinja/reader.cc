// text/jinja/reader.cc -- splits the content of a tag into names, numbers, strings and signs.
#include "text/jinja/reader.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "text/unicode.h"

namespace mop::jinja {
namespace {

constexpr int kDeepest = 200;
constexpr int kMostLinks = 1000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Reads `digits` digits of base 8 or 16 from `at` as a UTF-8 code point; returns whether there are
// any.
bool read_code(std::string_view source, size_t& at, size_t digits, int base, std::string& text) {
  uint32_t code = 0;
  const char* begin = source.data() + at;
  const char* end = begin + std::min(digits, source.size() - at);
  const auto result = std::from_chars(begin, end, code, base);
  if (result.ec != std::errc() || (base == 16 && result.ptr != begin + digits)) return false;
  at += static_cast<size_t>(result.ptr - begin);
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  append_utf8(surrogate || code > 0x10FFFF ? 0xFFFD : code, text);
  return true;
}

// Reads an escape sequence after a backslash; keeps unknown ones, as Python does.
void read_escape(std::string_view source, size_t& at, std::string& text) {
  static constexpr std::string_view kLetters = "ntrbfav\\'\"", kMeanings = "\n\t\r\b\f\a\v\\'\"";
  const char c = source[at];
  if (const size_t known = kLetters.find(c); known != kLetters.npos) {
    text += kMeanings[known];
    ++at;
    return;
  }
  if (c == '\n') {
    ++at;
    return;
  }
  if (c >= '0' && c <= '7' && read_code(source, at, 3, 8, text)) return;
  const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  size_t inner = at + 1;
  if (digits > 0 && read_code(source, inner, digits, 16, text)) {
    at = inner;
    return;
  }
  text += '\\';
}

// Reads a quoted string with Python's escapes.
std::string read_text(std::string_view source, size_t& at) {
  const char quote = source[at++];
  std::string text;
  while (at < source.size() && source[at] != quote) {
    if (source[at] == '\\' && at + 1 < source.size()) {
      read_escape(source, ++at, text);
    } else {
      text += source[at++];
    }
  }
  if (at == source.size()) throw bad_input("a text is not closed");
  ++at;
  return text;
}

// 12, 1_000, 0x1F, 1.5, 2e-3. After a point only digits: `a.0`.
Token read_number(std::string_view source, size_t& at, bool behind_point) {
  std::string text;
  const auto digits = [&] {
    for (; at < source.size() && (is_digit(source[at]) || source[at] == '_'); ++at) {
      if (source[at] != '_') text += source[at];
    }
  };
  const auto digit_at = [&](size_t place) {
    return place < source.size() && is_digit(source[place]);
  };
  static constexpr std::pair<std::string_view, int> kBases[] = {{"0x", 16}, {"0X", 16}, {"0o", 8},
                                                                {"0O", 8},  {"0b", 2},  {"0B", 2}};
  for (const auto& [prefix, base] : kBases) {
    if (!source.substr(at).starts_with(prefix)) continue;
    int64_t value = 0;
    const char* begin = source.data() + at + 2;
    const auto result = std::from_chars(begin, source.data() + source.size(), value, base);
    if (result.ec != std::errc()) throw bad_input("a number is not understood");
    at += 2 + static_cast<size_t>(result.ptr - begin);
    return {Token::Kind::kInteger, std::to_string(value)};
  }
  digits();
  bool real = false;
  if (!behind_point && at < source.size() && source[at] == '.' && digit_at(at + 1)) {
    real = true;
    text += source[at++];
    digits();
  }
  if (!behind_point && at < source.size() && (source[at] == 'e' || source[at] == 'E')) {
    const bool sign = at + 1 < source.size() && (source[at + 1] == '-' || source[at + 1] == '+');
    if (digit_at(at + (sign ? 2 : 1))) {
      real = true;
      text += source[at++];
      if (sign) text += source[at++];
      digits();
    }
  }
  return {real ? Token::Kind::kReal : Token::Kind::kInteger, text};
}

}  // namespace

Reader::Nesting::Nesting(Reader& r) : reader(r) {
  if (++reader.depth_ <= kDeepest) return;
  --reader.depth_;
  throw bad_input("expressions are nested more than {} deep", kDeepest);
}

void Reader::link() {
  if (++links_ > kMostLinks)
    throw bad_input("an expression has more than {} operators", kMostLinks);
}

Reader::Reader(std::string_view source) { tokenize(source); }

void Reader::tokenize(std::string_view source) {
  static constexpr const char* kSigns[] = {"==", "!=", "<=", ">=", "//", "**"};
  for (size_t at = 0; at < source.size();) {
    const char c = source[at];
    const size_t begin = at;
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++at;
    } else if (c == '"' || c == '\'') {
      tokens_.push_back({Token::Kind::kText, read_text(source, at)});
    } else if (is_name_start(c)) {
      while (at < source.size() && (is_name_start(source[at]) || is_digit(source[at]))) ++at;
      tokens_.push_back({Token::Kind::kName, std::string(source.substr(begin, at - begin))});
    } else if (is_digit(c)) {
      const bool behind_point = !tokens_.empty() && tokens_.back().text == "." &&
                                tokens_.back().kind == Token::Kind::kSign;
      tokens_.push_back(read_number(source, at, behind_point));
    } else {
      std::string sign(1, c);
      for (const char* two : kSigns) {
        if (source.substr(at, 2) == two) sign = two;
      }
      at += sign.size();
      tokens_.push_back({Token::Kind::kSign, sign});
    }
  }
  tokens_.push_back({Token::Kind::kEnd, "the end of the tag"});
}

const Token& Reader::peek(size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

bool Reader::next_is(std::string_view text, size_t ahead) const {
  const Token& token = peek(ahead);
  return (token.kind == Token::Kind::kSign || token.kind == Token::Kind::kName) &&
         token.text == text;
}

Token Reader::next() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Reader::take(std::string_view text) {
  if (!next_is(text)) return false;
  ++at_;
  return true;
}

void Reader::expect(std::string_view text) {
  if (!take(text)) throw bad_input("expected '{}', got '{}'", text, peek().text);
}

std::string Reader::name() {
  const Token token = next();
  if (token.kind != Token::Kind::kName) throw bad_input("expected a name, got '{}'", token.text);
  return token.text;
}

}  // namespace mop::jinja
