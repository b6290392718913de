// text/jinja_expression.cc -- expressions of chat templates, compiled to functions.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja_value.h"

namespace mop::jinja {
namespace {

Value of(Json json) { return {std::move(json), true, nullptr}; }

Value add(const Value& a, const Value& b) {
  if (a.json.is_string() && b.json.is_string())
    return of(a.json.get<std::string>() + b.json.get<std::string>());
  if (a.json.is_number_integer() && b.json.is_number_integer())
    return of(a.json.get<int64_t>() + b.json.get<int64_t>());
  if (a.json.is_number() && b.json.is_number())
    return of(a.json.get<double>() + b.json.get<double>());
  if (a.json.is_array() && b.json.is_array()) {
    Json list = a.json;
    list.insert(list.end(), b.json.begin(), b.json.end());
    return of(list);
  }
  const auto type = [](const Value& v) { return v.defined ? v.json.type_name() : "undefined"; };
  throw bad_input("a {} and a {} cannot be added", type(a), type(b));
}

Value calculate(const std::string& sign, const Value& a, const Value& b) {
  if (!a.json.is_number_integer() || !b.json.is_number_integer())
    throw bad_input("'{}' works on whole numbers here", sign);
  const auto x = a.json.get<int64_t>(), y = b.json.get<int64_t>();
  if (sign == "-") return of(x - y);
  if (sign == "*") return of(x * y);
  if (y == 0) throw bad_input("division by zero");
  const int64_t rest = ((x % y) + y) % y;  // as Python: of the divisor's sign
  if (sign == "%") return of(rest);
  return of((x - rest) / y);
}

Value slice(const Value& value, const Value& begin, const Value& end, const Value& step) {
  const std::vector<Value> all = elements(value);
  const auto count = static_cast<int64_t>(all.size());
  const int64_t by = step.json.is_null() ? 1 : step.json.get<int64_t>();
  if (by == 0) throw bad_input("a slice cannot have the step 0");
  const auto place = [&](const Value& bound, int64_t none) {
    if (bound.json.is_null()) return none;
    const int64_t index = bound.json.get<int64_t>() + (bound.json.get<int64_t>() < 0 ? count : 0);
    return by > 0 ? std::clamp<int64_t>(index, 0, count)
                  : std::clamp<int64_t>(index, -1, count - 1);
  };
  const int64_t from = place(begin, by > 0 ? 0 : count - 1), to = place(end, by > 0 ? count : -1);
  Json list = Json::array();
  std::string text;
  for (int64_t i = from; by > 0 ? i < to : i > to; i += by) {
    const Json& element = all[static_cast<size_t>(i)].json;
    if (value.json.is_string()) {
      text += element.get<std::string>();
    } else {
      list.push_back(element);
    }
  }
  return of(value.json.is_string() ? Json(text) : list);
}

using ArgumentList = std::vector<std::pair<std::string, Expression>>;

// (a, b, name=c), behind the opening bracket.
ArgumentList read_arguments(Reader& in) {
  ArgumentList list;
  while (!in.take(")")) {
    const bool named = in.peek().kind == Token::Kind::kName && in.peek(1).text == "=" &&
                       in.peek(1).kind == Token::Kind::kSign;
    std::string name;
    if (named) {
      name = in.name();
      in.expect("=");
    }
    list.emplace_back(name, in.expression());
    if (in.peek().text != ")") in.expect(",");
  }
  return list;
}

Arguments evaluate(const ArgumentList& list, Scope& scope) {
  Arguments arguments;
  for (const auto& [name, expression] : list) {
    if (name.empty()) {
      arguments.positional.push_back(expression(scope));
    } else {
      arguments.named[name] = expression(scope);
    }
  }
  return arguments;
}

Expression call(const Function& function, Expression subject, ArgumentList list) {
  return [&function, subject = std::move(subject), list = std::move(list)](Scope& scope) {
    return function(subject(scope), evaluate(list, scope));
  };
}

// `[a, b]`, `(a, b)` and `{"k": v}`; a single value in round brackets is that value.
Expression read_list(Reader& in, std::string_view close) {
  std::vector<Expression> parts;
  bool comma = false;
  while (!in.take(close)) {
    parts.push_back(in.expression());
    if (in.peek().text != close) {
      in.expect(",");
      comma = true;
    }
  }
  if (close == ")" && parts.size() == 1 && !comma) return parts[0];
  return [parts](Scope& scope) {
    Json list = Json::array();
    for (const Expression& part : parts) list.push_back(part(scope).json);
    return of(list);
  };
}

Expression read_object(Reader& in) {
  std::vector<std::pair<Expression, Expression>> parts;
  while (!in.take("}")) {
    Expression key = in.expression();
    in.expect(":");
    parts.emplace_back(std::move(key), in.expression());
    if (in.peek().text != "}") in.expect(",");
  }
  return [parts](Scope& scope) {
    Json object = Json::object();
    for (const auto& [key, value] : parts) object[to_text(key(scope))] = value(scope).json;
    return of(object);
  };
}

Expression read_name(const std::string& name, Reader& in) {
  static const std::map<std::string, Json> kConstants = {{"true", true},    {"True", true},
                                                         {"false", false},  {"False", false},
                                                         {"none", nullptr}, {"None", nullptr}};
  const auto constant = kConstants.find(name);
  if (constant != kConstants.end()) return [value = of(constant->second)](Scope&) { return value; };
  if (in.peek().text == "(" && in.peek().kind == Token::Kind::kSign) {
    const Function& function = find_global(name);
    in.next();
    return call(
        function, [](Scope&) { return Value::undefined(); }, read_arguments(in));
  }
  // A template asks `if f is defined` before it calls what may be missing.
  if (is_global(name)) return [](Scope&) { return of(true); };
  return [name](Scope& scope) { return scope.get(name); };
}

Expression read_primary(Reader& in) {
  const Token token = in.next();
  if (token.kind == Token::Kind::kText) return [value = of(token.text)](Scope&) { return value; };
  if (token.kind == Token::Kind::kNumber) {
    const bool whole = token.text.find('.') == std::string::npos;
    const Value number = whole ? of(std::stoll(token.text)) : of(std::stod(token.text));
    return [number](Scope&) { return number; };
  }
  if (token.kind == Token::Kind::kName) return read_name(token.text, in);
  if (token.text == "(") return read_list(in, ")");
  if (token.text == "[") return read_list(in, "]");
  if (token.text == "{") return read_object(in);
  throw bad_input("'{}' stands where a value is expected", token.text);
}

Expression read_subscript(Reader& in, Expression value) {
  std::array<Expression, 3> bounds;
  size_t colons = 0;
  while (!in.take("]")) {
    if (in.take(":")) {
      if (++colons > 2) throw bad_input("a slice has at most two colons");
    } else {
      bounds[colons] = in.expression();
    }
  }
  if (colons == 0) {
    if (!bounds[0]) throw bad_input("[] needs an index");
    return [value, index = bounds[0]](Scope& scope) { return item(value(scope), index(scope)); };
  }
  for (Expression& bound : bounds) {
    if (!bound) bound = [](Scope&) { return of(nullptr); };
  }
  return [value, bounds](Scope& scope) {
    return slice(value(scope), bounds[0](scope), bounds[1](scope), bounds[2](scope));
  };
}

Expression read_postfix(Reader& in, Expression value) {
  while (true) {
    if (in.take(".")) {
      const std::string name = in.name();
      if (in.take("(")) {
        value = call(find_method(name), value, read_arguments(in));
      } else {
        value = [value, key = of(name)](Scope& scope) { return item(value(scope), key); };
      }
    } else if (in.take("[")) {
      value = read_subscript(in, value);
    } else {
      return value;
    }
  }
}

// `is [not] test`, `is test argument`.
Expression read_test(Reader& in, Expression value) {
  const bool negated = in.take("not");
  const Function& test = find_test(in.next().text);
  ArgumentList list;
  if (in.take("(")) {
    list = read_arguments(in);
  } else if (in.peek().kind == Token::Kind::kText || in.peek().kind == Token::Kind::kNumber) {
    list.emplace_back("", read_primary(in));
  }
  const Expression result = call(test, std::move(value), std::move(list));
  if (!negated) return result;
  return [result](Scope& scope) { return of(!is_true(result(scope))); };
}

Expression read_unary(Reader& in) {
  if (in.take("-")) {
    const Expression value = read_unary(in);
    return [value](Scope& scope) { return calculate("-", of(0), value(scope)); };
  }
  Expression value = read_postfix(in, read_primary(in));
  while (true) {
    if (in.take("|")) {
      const Function& filter = find_filter(in.name());
      ArgumentList list;
      if (in.take("(")) list = read_arguments(in);
      // A filter takes its own arguments behind the value it filters.
      value = call(filter, value, std::move(list));
      value = read_postfix(in, value);
    } else if (in.take("is")) {
      value = read_test(in, value);
    } else {
      return value;
    }
  }
}

// Left to right: `read` what binds tighter, join by the signs.
template <typename Read, typename Join>
Expression read_chain(Reader& in, std::initializer_list<const char*> signs, Read read, Join join) {
  Expression left = read(in);
  while (true) {
    std::string sign;
    for (const char* candidate : signs) {
      if (sign.empty() && in.peek().kind == Token::Kind::kSign && in.take(candidate))
        sign = candidate;
    }
    if (sign.empty()) return left;
    left = [left, right = read(in), sign, join](Scope& scope) {
      return join(sign, left(scope), right(scope));
    };
  }
}

Expression read_product(Reader& in) {
  return read_chain(in, {"*", "//", "%"}, read_unary, calculate);
}
Expression read_joined(Reader& in) {
  return read_chain(in, {"~"}, read_product,
                    [](const std::string&, const Value& a, const Value& b) {
                      return of(to_text(a) + to_text(b));
                    });
}
Expression read_sum(Reader& in) {
  return read_chain(in, {"+", "-"}, read_joined,
                    [](const std::string& sign, const Value& a, const Value& b) {
                      return sign == "+" ? add(a, b) : calculate(sign, a, b);
                    });
}

bool compare(const std::string& sign, const Value& a, const Value& b) {
  if (sign == "==") return equal(a, b);
  if (sign == "!=") return !equal(a, b);
  if (sign == "<") return less(a, b);
  if (sign == ">") return less(b, a);
  if (sign == "<=") return !less(b, a);
  if (sign == ">=") return !less(a, b);
  return contains(b, a) == (sign == "in");
}

// The next comparing sign, "" when there is none.
std::string take_comparison(Reader& in) {
  if (in.peek().kind == Token::Kind::kText) return "";
  for (const char* sign : {"==", "!=", "<=", ">=", "<", ">", "in"}) {
    if (in.take(sign)) return sign;
  }
  if (in.peek().text != "not" || in.peek(1).text != "in") return "";
  in.next();
  in.next();
  return "not in";
}

// `a < b <= c` compares neighbours, as Python does.
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
      if (!compare(sign, left, right)) return of(false);
      left = std::move(right);
    }
    return of(true);
  };
}

Expression read_not(Reader& in) {
  if (!in.take("not")) return read_comparison(in);
  const Expression value = read_not(in);
  return [value](Scope& scope) { return of(!is_true(value(scope))); };
}

// `and` and `or` give one of their two values, and look at the second only when they must.
Expression read_and(Reader& in) {
  Expression left = read_not(in);
  while (in.take("and")) {
    left = [left, right = read_not(in)](Scope& scope) {
      Value value = left(scope);
      return is_true(value) ? right(scope) : value;
    };
  }
  return left;
}

Expression read_or(Reader& in) {
  Expression left = read_and(in);
  while (in.take("or")) {
    left = [left, right = read_and(in)](Scope& scope) {
      Value value = left(scope);
      return is_true(value) ? value : right(scope);
    };
  }
  return left;
}

}  // namespace

Expression Reader::expression(bool conditional) {
  Expression value = read_or(*this);
  while (conditional && take("if")) {
    const Expression condition = read_or(*this);
    const Expression other =
        take("else") ? expression() : [](Scope&) { return Value::undefined(); };
    value = [value, condition, other](Scope& scope) {
      return is_true(condition(scope)) ? value(scope) : other(scope);
    };
  }
  return value;
}

}  // namespace mop::jinja
