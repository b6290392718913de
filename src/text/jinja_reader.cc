// text/jinja_reader.cc -- the inside of a tag as names, numbers, texts and signs.
#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "text/jinja_value.h"

namespace mop::jinja {
namespace {

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A text between quotes, with Python's escapes.
std::string read_text(std::string_view source, size_t& at) {
  const char quote = source[at++];
  std::string text;
  for (; at < source.size() && source[at] != quote; ++at) {
    if (source[at] != '\\' || at + 1 == source.size()) {
      text += source[at];
      continue;
    }
    const char c = source[++at];
    static const std::map<char, std::string> kEscapes = {{'n', "\n"},  {'t', "\t"}, {'r', "\r"},
                                                         {'\\', "\\"}, {'\'', "'"}, {'"', "\""}};
    const auto known = kEscapes.find(c);
    if (known == kEscapes.end()) {
      throw bad_input("the escape '\\{}' in a text is not known", c);
    }
    text += known->second;
  }
  if (at == source.size()) throw bad_input("a text is not closed");
  ++at;
  return text;
}

}  // namespace

Reader::Reader(std::string_view source, int line) : line_(line) { tokenize(source); }

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
      while (at < source.size() && (is_digit(source[at]) || source[at] == '.')) ++at;
      tokens_.push_back({Token::Kind::kNumber, std::string(source.substr(begin, at - begin))});
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

Token Reader::next() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Reader::take(std::string_view text) {
  const Token& token = peek();
  if (token.kind == Token::Kind::kText || token.kind == Token::Kind::kEnd || token.text != text)
    return false;
  ++at_;
  return true;
}

void Reader::expect(std::string_view text) {
  if (!take(text)) throw bad_input("'{}' stands where '{}' is expected", peek().text, text);
}

std::string Reader::name() {
  const Token token = next();
  if (token.kind != Token::Kind::kName)
    throw bad_input("'{}' stands where a name is expected", token.text);
  return token.text;
}

}  // namespace mop::jinja
