// text/jinja/expression.cc -- compiles expressions to functions.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "text/jinja/reader.h"
#include "text/jinja/tables.h"

namespace mop::jinja {
namespace {

Expression constant(Value value) {
  return [value = std::move(value)](Scope&) { return value; };
}

List evaluate_all(const std::vector<Expression>& parts, Scope& scope) {
  List list;
  list.reserve(parts.size());
  for (const Expression& part : parts) list.push_back(part(scope));
  return list;
}

// `[a, b]` and `(a, b)`; a single value in parentheses is that value.
Expression read_list(Reader& in, std::string_view close) {
  std::vector<Expression> parts;
  bool comma = false;
  while (!in.take(close)) {
    parts.push_back(in.expression());
    if (in.next_is(close)) continue;
    in.expect(",");
    comma = true;
  }
  if (close == "]") return [parts](Scope& scope) { return Value(evaluate_all(parts, scope)); };
  if (parts.size() == 1 && !comma) return parts[0];
  return [parts](Scope& scope) { return Value::tuple(evaluate_all(parts, scope)); };
}

Expression read_object(Reader& in) {
  std::vector<std::pair<Expression, Expression>> parts;
  while (!in.take("}")) {
    Expression key = in.expression();
    in.expect(":");
    parts.emplace_back(std::move(key), in.expression());
    if (!in.next_is("}")) in.expect(",");
  }
  return [parts](Scope& scope) {
    Dict dict;
    for (const auto& [key, value] : parts) dict.set(key(scope), value(scope));
    return Value(std::move(dict));
  };
}

Expression read_name(const std::string& name) {
  static const std::map<std::string, Value> kConstants = {{"true", true},   {"True", true},
                                                          {"false", false}, {"False", false},
                                                          {"none", None{}}, {"None", None{}}};
  const auto known = kConstants.find(name);
  if (known != kConstants.end()) return constant(known->second);
  return [name](Scope& scope) { return scope.get(name); };
}

template <typename T>
Value number_of(const std::string& digits) {
  T value{};
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (std::same_as<T, double> && result.ec != std::errc())
    return std::strtod(digits.c_str(), nullptr);
  if (result.ec != std::errc()) throw bad_input("the number {} is too large", digits);
  return value;
}

Expression read_primary(Reader& in) {
  const Reader::Nesting nesting(in);
  const Token token = in.next();
  switch (token.kind) {
    case Token::Kind::kText: {
      std::string text = token.text;
      while (in.peek().kind == Token::Kind::kText) text += in.next().text;
      return constant(std::move(text));
    }
    case Token::Kind::kInteger:
      return constant(number_of<int64_t>(token.text));
    case Token::Kind::kReal:
      return constant(number_of<double>(token.text));
    case Token::Kind::kName:
      return read_name(token.text);
    default:
      if (token.text == "(") return read_list(in, ")");
      if (token.text == "[") return read_list(in, "]");
      if (token.text == "{") return read_object(in);
      throw bad_input("expected a value, got '{}'", token.text);
  }
}

// After `[`: an index, several indices (a tuple), or a slice.
Expression read_subscript(Reader& in, Expression value) {
  std::array<Expression, 3> bounds;
  size_t colons = 0;
  while (!in.take("]")) {
    if (in.take(":")) {
      if (++colons > 2) throw bad_input("a slice has at most two colons");
    } else if (bounds[colons]) {
      throw bad_input("expected ']', got '{}'", in.peek().text);
    } else {
      bounds[colons] = in.expressions();
    }
  }
  if (colons == 0) {
    if (!bounds[0]) throw bad_input("[] needs an index");
    return [value, index = bounds[0]](Scope& scope) {
      const Value subject = value(scope);
      return item(subject, index(scope));
    };
  }
  for (Expression& bound : bounds) {
    if (!bound) bound = constant(None{});
  }
  return [value, bounds](Scope& scope) {
    const Value subject = value(scope);
    return slice(subject, bounds[0](scope), bounds[1](scope), bounds[2](scope));
  };
}

Expression read_call(Reader& in, Expression function) {
  return [function = std::move(function), list = in.arguments()](Scope& scope) {
    const Value called = function(scope);
    return call(called, evaluate(list, scope));
  };
}

Expression read_postfix(Reader& in, Expression value) {
  for (;; in.link()) {
    if (in.take(".")) {
      const Token key = in.next();
      if (key.kind == Token::Kind::kInteger) {
        value = [value, index = number_of<int64_t>(key.text)](Scope& scope) {
          return item(value(scope), index);
        };
      } else if (key.kind == Token::Kind::kName) {
        value = [value, name = key.text](Scope& scope) { return attribute(value(scope), name); };
      } else {
        throw bad_input("expected a name, got '{}'", key.text);
      }
    } else if (in.take("[")) {
      value = read_subscript(in, value);
    } else if (in.take("(")) {
      value = read_call(in, value);
    } else {
      return value;
    }
  }
}

// Returns whether an argument without parentheses follows a test: `is divisibleby 3`.
bool argument_follows(const Reader& in) {
  const Token& token = in.peek();
  if (token.kind == Token::Kind::kEnd) return false;
  if (token.kind == Token::Kind::kSign) return token.text == "[" || token.text == "{";
  static constexpr std::string_view kWords[] = {"else", "or", "and", "if",
                                                "is",   "in", "not", "recursive"};
  return token.kind != Token::Kind::kName ||
         std::find(std::begin(kWords), std::end(kWords), token.text) == std::end(kWords);
}

// `is [not] test`, `is test argument`.
Expression read_test(Reader& in, Expression value) {
  const bool wanted = !in.take("not");
  const std::string name = in.next().text;
  ArgumentList list;
  if (in.take("(")) {
    list = in.arguments();
  } else if (argument_follows(in)) {
    list.emplace_back("", read_postfix(in, read_primary(in)));
  }
  return [=](Scope& scope) {
    const Value subject = value(scope);
    return Value(passes_test(name, subject, evaluate(list, scope)) == wanted);
  };
}

Expression read_filters(Reader& in, Expression value) {
  for (;; in.link()) {
    if (in.take("|")) {
      const auto filter = in.filter();
      value = [value, name = filter.first, list = filter.second](Scope& scope) {
        const Value subject = value(scope);
        return apply_filter(name, subject, evaluate(list, scope));
      };
      value = read_postfix(in, value);
    } else if (in.take("is")) {
      value = read_test(in, value);
    } else {
      return value;
    }
  }
}

// A sign binds tighter than a filter: -1|abs is (-1)|abs.
Expression read_unary(Reader& in, bool with_filters) {
  const Reader::Nesting nesting(in);
  Expression value;
  if (in.next_is("-") || in.next_is("+")) {
    const bool minus = in.next().text == "-";
    value = [inner = read_unary(in, false), minus](Scope& scope) {
      const Value number = inner(scope);
      return minus ? negative(number) : calculate("-", number, 0);
    };
  } else {
    value = read_primary(in);
  }
  value = read_postfix(in, value);
  return with_filters ? read_filters(in, value) : value;
}

// Left-associative operators: `read` reads the operands, which bind tighter.
template <typename Read>
Expression read_chain(Reader& in, std::initializer_list<const char*> signs, Read read) {
  Expression left = read(in);
  for (;; in.link()) {
    std::string sign;
    for (const char* candidate : signs) {
      if (sign.empty() && in.peek().kind == Token::Kind::kSign && in.take(candidate))
        sign = candidate;
    }
    if (sign.empty()) return left;
    left = [left, right = read(in), sign](Scope& scope) {
      const Value a = left(scope), b = right(scope);
      return sign == "~" ? Value(to_text(a) + to_text(b)) : calculate(sign, a, b);
    };
  }
}

Expression read_power(Reader& in) {
  return read_chain(in, {"**"}, [](Reader& r) { return read_unary(r, true); });
}
Expression read_product(Reader& in) { return read_chain(in, {"*", "//", "/", "%"}, read_power); }
Expression read_joined(Reader& in) { return read_chain(in, {"~"}, read_product); }
Expression read_sum(Reader& in) { return read_chain(in, {"+", "-"}, read_joined); }

bool compare(const std::string& sign, const Value& a, const Value& b) {
  if (sign == "==") return equal(a, b);
  if (sign == "!=") return !equal(a, b);
  if (sign == "<") return less(a, b);
  if (sign == ">") return less(b, a);
  if (sign == "<=") return !less(b, a);
  if (sign == ">=") return !less(a, b);
  return contains(b, a) == (sign == "in");
}

// Takes the next comparison operator; returns "" when there is none.
std::string take_comparison(Reader& in) {
  for (const char* sign : {"==", "!=", "<=", ">=", "<", ">", "in"}) {
    if (in.take(sign)) return sign;
  }
  if (!in.next_is("not") || !in.next_is("in", 1)) return "";
  in.next();
  in.next();
  return "not in";
}

// `a < b <= c` compares neighbouring values, as in Python.
Expression read_comparison(Reader& in) {
  const Expression first = read_sum(in);
  std::vector<std::pair<std::string, Expression>> rest;
  for (std::string sign; !(sign = take_comparison(in)).empty();) {
    rest.emplace_back(sign, read_sum(in));
  }
  if (rest.empty()) return first;
  return [first, rest](Scope& scope) {
    Value left = first(scope);
    for (const auto& [sign, read] : rest) {
      Value right = read(scope);
      if (!compare(sign, left, right)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  };
}

Expression read_not(Reader& in) {
  if (!in.take("not")) return read_comparison(in);
  const Reader::Nesting nesting(in);
  const Expression value = read_not(in);
  return [value](Scope& scope) { return Value(!is_true(value(scope))); };
}

// `and` and `or` return one of their operands and evaluate the second only if needed.
template <typename Read>
Expression read_either(Reader& in, const char* word, bool goes_on, Read read) {
  Expression left = read(in);
  for (; in.take(word); in.link()) {
    left = [left, right = read(in), goes_on](Scope& scope) {
      Value value = left(scope);
      return is_true(value) == goes_on ? right(scope) : value;
    };
  }
  return left;
}

Expression read_and(Reader& in) { return read_either(in, "and", true, read_not); }
Expression read_or(Reader& in) { return read_either(in, "or", false, read_and); }

}  // namespace

Expression Reader::expression(bool conditional) {
  const Nesting nesting(*this);
  Expression value = read_or(*this);
  for (; conditional && take("if"); link()) {
    const Expression condition = read_or(*this);
    const Expression other = take("else") ? expression() : constant(Undefined{});
    value = [value, condition, other](Scope& scope) {
      return is_true(condition(scope)) ? value(scope) : other(scope);
    };
  }
  return value;
}

Expression Reader::expressions(bool conditional) {
  std::vector<Expression> parts = {expression(conditional)};
  bool comma = false;
  while (take(",")) {
    comma = true;
    if (at_end() || next_is("]") || next_is("=")) break;
    parts.push_back(expression(conditional));
  }
  if (!comma) return parts[0];
  return [parts](Scope& scope) { return Value::tuple(evaluate_all(parts, scope)); };
}

ArgumentList Reader::arguments() {
  ArgumentList list;
  while (!take(")")) {
    std::string name;
    if (take("**")) {
      name = "**";
    } else if (take("*")) {
      name = "*";
    } else if (peek().kind == Token::Kind::kName && next_is("=", 1)) {
      name = this->name();
      expect("=");
    }
    Expression value = expression();
    list.emplace_back(std::move(name), std::move(value));
    if (!next_is(")")) expect(",");
  }
  return list;
}

std::pair<std::string, ArgumentList> Reader::filter() {
  std::string filter_name = name();
  while (take(".")) filter_name += "." + name();
  return {filter_name, take("(") ? arguments() : ArgumentList()};
}

Arguments evaluate(const ArgumentList& list, Scope& scope) {
  Arguments arguments;
  for (const auto& [name, expression] : list) {
    Value value = expression(scope);
    if (name.empty()) {
      arguments.positional.push_back(std::move(value));
    } else if (name == "*") {
      for (Value& element : elements(value)) arguments.positional.push_back(std::move(element));
    } else if (name == "**") {
      if (value.dict() == nullptr) throw bad_input("** needs a mapping, not {}", value.type());
      for (const auto& [key, inner] : value.dict()->items()) {
        arguments.named.emplace_back(key.text("**"), inner);
      }
    } else {
      arguments.named.emplace_back(name, std::move(value));
    }
  }
  return arguments;
}

}  // namespace mop::jinja
