// text/jinja_value.h -- values, scopes and expressions of text/jinja.h.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace mop::jinja {

/// JSON, or nothing at all, or a namespace: an object that is shared and can be changed.
struct Value {
  Json json;
  bool defined = true;
  std::shared_ptr<Json> shared;  ///< of a namespace
  static Value undefined() { return {nullptr, false, nullptr}; }
};

/// Names in sight. A loop's body has a scope of its own; what is set there ends with it.
class Scope {
 public:
  explicit Scope(Scope* outer = nullptr) : outer_(outer) {}
  Value get(const std::string& name) const;
  void set(const std::string& name, Value value) { names_[name] = std::move(value); }

 private:
  Scope* outer_;
  std::map<std::string, Value> names_;
};

using Expression = std::function<Value(Scope&)>;

/// What a call was given.
struct Arguments {
  std::vector<Value> positional;
  std::map<std::string, Value> named;
  /// The argument called `name`, or at `place`; null when absent.
  const Value* find(size_t place, const std::string& name) const;
};

/// Things called by name: `x | name(..)`, `x is name(..)`, `x.name(..)`, `name(..)`.
using Function = std::function<Value(const Value& subject, const Arguments& arguments)>;
/// Each throws Error(kBadInput) for a name that we do not have.
const Function& find_filter(const std::string& name);
const Function& find_test(const std::string& name);
const Function& find_method(const std::string& name);
const Function& find_global(const std::string& name);
bool is_global(const std::string& name);

/// As Python would: what counts as true, what is printed, equality, order.
bool is_true(const Value& value);
std::string to_text(const Value& value);
bool equal(const Value& a, const Value& b);
bool less(const Value& a, const Value& b);
bool contains(const Value& container, const Value& item);
/// The elements of a list, the keys of an object, the characters of a text.
std::vector<Value> elements(const Value& value);
/// `value.key` or `value[key]`; undefined when there is none.
Value item(const Value& value, const Value& key);
/// Text as transformers' `tojson`; `indent` < 0 = on one line.
std::string dump(const Json& json, int indent);

/// A part of a template: where it stands, and how it is read.
struct Token {
  enum class Kind { kName, kNumber, kText, kSign, kEnd } kind;
  std::string text;
};
/// Reads the inside of one tag.
class Reader {
 public:
  Reader(std::string_view source, int line);
  const Token& peek(size_t ahead = 0) const;
  Token next();
  /// Whether the next token is this sign or word; then it is taken.
  bool take(std::string_view text);
  void expect(std::string_view text);
  std::string name();
  bool at_end() const { return peek().kind == Token::Kind::kEnd; }
  /// An expression as long as it goes; `conditional` = `a if b else c` too.
  Expression expression(bool conditional = true);
  int line() const { return line_; }

 private:
  void tokenize(std::string_view source);
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_;
};

}  // namespace mop::jinja
