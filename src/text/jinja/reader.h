// text/jinja/reader.h -- a template's source in pieces: texts and tags, and the tokens of a tag.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/scope.h"

namespace mop::jinja {

/// A text, or the inside of a tag.
struct Segment {
  enum class Kind { kText, kOutput, kStatement } kind;
  std::string text;
  int line;
};
/// Cuts a template, taking away the white space that trim_blocks, lstrip_blocks and the signs in
/// the tags say. Throws Error(kBadInput) naming the line.
std::vector<Segment> cut(const std::string& source);

struct Token {
  enum class Kind { kName, kInteger, kReal, kText, kSign, kEnd } kind;
  std::string text;
};

/// `(a, *b, c=d, **e)` of a call. A name may be "*" or "**".
using ArgumentList = std::vector<std::pair<std::string, Expression>>;
Arguments evaluate(const ArgumentList& list, Scope& scope);

/// Reads the inside of one tag.
class Reader {
 public:
  explicit Reader(std::string_view source);
  const Token& peek(size_t ahead = 0) const;
  bool next_is(std::string_view sign_or_word, size_t ahead = 0) const;
  Token next();
  /// Whether the next token is this sign or word; then it is taken.
  bool take(std::string_view text);
  void expect(std::string_view text);
  std::string name();
  bool at_end() const { return peek().kind == Token::Kind::kEnd; }

  /// An expression as long as it goes; `conditional` = `a if b else c` too.
  Expression expression(bool conditional = true);
  /// The same, or several with commas between: a tuple.
  Expression expressions(bool conditional = true);
  /// Behind the opening bracket.
  ArgumentList arguments();
  /// `name(..)` of a filter.
  std::pair<std::string, ArgumentList> filter();

  /// Operators one behind the other, which nest what they make, are only so many in a tag.
  void link();
  /// Brackets within brackets go only so deep.
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
