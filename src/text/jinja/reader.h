// text/jinja/reader.h -- lexer and parser of templates: texts and tags, and the tokens of a tag.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/scope.h"

namespace mop::jinja {

/// A text, or the content of a tag.
struct Segment {
  enum class Kind { kText, kOutput, kStatement } kind;
  std::string text;
  int line;
};
/// Splits a template and removes the white space that trim_blocks, lstrip_blocks and the signs in
/// tags select. Throws Error(kBadInput) naming the line.
std::vector<Segment> cut(const std::string& source);

struct Token {
  enum class Kind { kName, kInteger, kReal, kText, kSign, kEnd } kind;
  std::string text;
};

/// The arguments `(a, *b, c=d, **e)` of a call. A name may be "*" or "**".
using ArgumentList = std::vector<std::pair<std::string, Expression>>;
Arguments evaluate(const ArgumentList& list, Scope& scope);

/// Parses the content of one tag.
class Reader {
 public:
  explicit Reader(std::string_view source);
  const Token& peek(size_t ahead = 0) const;
  bool next_is(std::string_view sign_or_word, size_t ahead = 0) const;
  Token next();
  /// Consumes the next token if it is this sign or word; returns whether it was.
  bool take(std::string_view text);
  void expect(std::string_view text);
  std::string name();
  bool at_end() const { return peek().kind == Token::Kind::kEnd; }

  /// Parses the longest expression; `conditional` includes `a if b else c`.
  Expression expression(bool conditional = true);
  /// Parses one expression, or several separated by commas: a tuple.
  Expression expressions(bool conditional = true);
  /// Parses arguments after the opening parenthesis.
  ArgumentList arguments();
  /// Parses the `name(..)` of a filter.
  std::pair<std::string, ArgumentList> filter();

  /// Counts an operator; throws when a tag has too many, since each nests the expression deeper.
  void link();
  /// Limits the depth of nested brackets.
  struct Nesting {
    explicit Nesting(Reader& reader);
    ~Nesting() { --reader.depth_; }
    Reader& reader;
  };

 private:
  void tokenize(std::string_view source);
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0, links_ = 0;
};

}  // namespace mop::jinja
