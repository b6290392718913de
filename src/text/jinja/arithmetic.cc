// text/jinja/arithmetic.cc -- the operators + - * / // % ** on values.
#include <cmath>

#include "base/error.h"
#include "text/jinja/operations.h"

namespace mop::jinja {
namespace {

[[noreturn]] void refuse(std::string_view sign, const Value& a, const Value& b) {
  throw bad_input("'{}' is not defined for {} and {}", sign, a.type(), b.type());
}

bool whole(const Value& a, const Value& b) { return !a.is_real() && !b.is_real(); }

Value repeated(const Value& value, int64_t times) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  const List* parts = value.list();
  const size_t size = parts != nullptr ? parts->size() : value.text("").size();
  if (size > 0 && count > Work::kLongestText / size)
    throw bad_input("cannot repeat {} {} times", value.type(), count);
  if (parts != nullptr) Work::make_elements(size * count);
  if (const List* list = value.list()) {
    List all;
    for (size_t i = 0; i < count; ++i) all.insert(all.end(), list->begin(), list->end());
    return value.is_tuple() ? Value::tuple(std::move(all)) : Value(std::move(all));
  }
  std::string text;
  for (size_t i = 0; i < count; ++i) text += value.text("");
  return text;
}

Value multiplied(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (!whole(a, b)) return a.real("*") * b.real("*");
    int64_t product = 0;
    if (__builtin_mul_overflow(a.integer("*"), b.integer("*"), &product))
      throw bad_input("a product has more than 63 bits");
    return product;
  }
  const bool left = a.is_text() || a.list() != nullptr;
  const Value &what = left ? a : b, &times = left ? b : a;
  if (!(what.is_text() || what.list() != nullptr) || !times.is_number() || times.is_real())
    refuse("*", a, b);
  return repeated(what, times.integer("*"));
}

// Python rounds down, and the remainder has the divisor's sign.
Value divided(const std::string& sign, const Value& a, const Value& b) {
  if (b.real(sign) == 0) throw bad_input("division by zero");
  if (sign == "/") return a.real(sign) / b.real(sign);
  if (!whole(a, b)) {
    const double x = a.real(sign), y = b.real(sign), down = std::floor(x / y);
    return sign == "//" ? Value(down) : Value(x - down * y);
  }
  const int64_t x = a.integer(sign), y = b.integer(sign);
  if (y == -1)
    return sign == "%" ? Value(0) : multiplied(a, b);  // avoids overflow: INT64_MIN has no negation
  const int64_t rest = x % y;
  const bool below = rest != 0 && (rest < 0) != (y < 0);
  return sign == "%" ? Value(below ? rest + y : rest) : Value(x / y - (below ? 1 : 0));
}

Value power(const Value& a, const Value& b) {
  if (!whole(a, b) || b.integer("**") < 0) return std::pow(a.real("**"), b.real("**"));
  Value result = 1, square = a;
  for (int64_t n = b.integer("**"); n > 0; n /= 2) {
    if (n % 2 == 1) result = multiplied(result, square);
    if (n > 1) square = multiplied(square, square);
  }
  return result;
}

}  // namespace

std::string html_escaped(const std::string& text) {
  static constexpr std::string_view kLetters = "&<>\'\"";
  static constexpr std::string_view kEscapes[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  std::string out;
  for (const char c : text) {
    const size_t known = kLetters.find(c);
    if (known == kLetters.npos) {
      out += c;
    } else {
      out += kEscapes[known];
    }
  }
  return out;
}

namespace {

Value joined(const Value& a, const Value& b) {
  if (!a.is_safe() && !b.is_safe()) return a.text("") + b.text("");
  const auto part = [](const Value& v) {
    return v.is_safe() ? v.text("") : html_escaped(v.text(""));
  };
  return Value::safe(part(a) + part(b));
}

}  // namespace

Value add(const Value& a, const Value& b) {
  if (a.is_text() && b.is_text()) return joined(a, b);
  if (a.is_number() && b.is_number()) {
    if (!whole(a, b)) return a.real("+") + b.real("+");
    int64_t sum = 0;
    if (__builtin_add_overflow(a.integer("+"), b.integer("+"), &sum))
      throw bad_input("a sum has more than 63 bits");
    return sum;
  }
  const List *x = a.list(), *y = b.list();
  if (x == nullptr || y == nullptr || a.is_tuple() != b.is_tuple())
    throw bad_input("{} and {} cannot be added", a.type(), b.type());
  List list = *x;
  list.insert(list.end(), y->begin(), y->end());
  return a.is_tuple() ? Value::tuple(std::move(list)) : Value(std::move(list));
}

Value negative(const Value& value) {
  if (value.is_real()) return -value.real("-");
  return calculate("-", 0, value);
}

Value calculate(const std::string& sign, const Value& a, const Value& b) {
  if (sign == "+") return add(a, b);
  if (sign == "*") return multiplied(a, b);
  if (sign == "%" && a.is_text()) return percent_format(a.text(""), b);
  if (!a.is_number() || !b.is_number()) refuse(sign, a, b);
  if (sign == "**") return power(a, b);
  if (sign != "-") return divided(sign, a, b);
  if (!whole(a, b)) return a.real("-") - b.real("-");
  int64_t difference = 0;
  if (__builtin_sub_overflow(a.integer("-"), b.integer("-"), &difference))
    throw bad_input("a difference has more than 63 bits");
  return difference;
}

}  // namespace mop::jinja
