// text/jinja/tests.cc -- the table of tests: `value is name`.
#include "base/error.h"
#include "text/jinja/letters.h"
#include "text/jinja/operations.h"
#include "text/jinja/tables.h"

namespace mop::jinja {
namespace {

template <typename Check>
Function test(Check check) {
  return [check](const Value& value, const Arguments&) { return Value(check(value)); };
}

template <typename Compare>
Function compared(Compare compare) {
  return [compare](const Value& value, const Arguments& in) {
    if (in.positional.empty()) throw bad_input("a comparison test needs an argument");
    return Value(compare(value, in.positional[0]));
  };
}

bool is_iterable(const Value& v) {
  return v.is_undefined() || v.is_text() || v.list() != nullptr || v.dict() != nullptr;
}

bool is_same(const Value& a, const Value& b) {
  if (a.list() != nullptr || a.dict() != nullptr)
    return a.list() == b.list() && a.dict() == b.dict();
  return a.is_boolean() == b.is_boolean() && a.is_real() == b.is_real() && equal(a, b);
}

bool divisible(const Value& a, const Value& b) { return !is_true(calculate("%", a, b)); }

const Table& tests() {
  static const Table table = [] {
    Table t = {
        {"defined", test([](const Value& v) { return !v.is_undefined(); })},
        {"undefined", test([](const Value& v) { return v.is_undefined(); })},
        {"none", test([](const Value& v) { return v.is_none(); })},
        {"string", test([](const Value& v) { return v.is_text(); })},
        {"number", test([](const Value& v) { return v.is_number(); })},
        {"integer", test([](const Value& v) { return v.is_integer(); })},
        {"float", test([](const Value& v) { return v.is_real(); })},
        {"boolean", test([](const Value& v) { return v.is_boolean(); })},
        {"true", test([](const Value& v) { return v.is_boolean() && is_true(v); })},
        {"false", test([](const Value& v) { return v.is_boolean() && !is_true(v); })},
        {"mapping", test([](const Value& v) { return v.dict() != nullptr; })},
        {"sequence", test(is_iterable)},
        {"iterable", test(is_iterable)},
        {"callable", test([](const Value& v) {
           return v.is_undefined() || (v.object() != nullptr && v.object()->is_callable());
         })},
        {"lower", test([](const Value& v) {
           return lower(to_text(v)) == to_text(v) && upper(to_text(v)) != to_text(v);
         })},
        {"upper", test([](const Value& v) {
           return upper(to_text(v)) == to_text(v) && lower(to_text(v)) != to_text(v);
         })},
        {"odd", test([](const Value& v) { return is_true(calculate("%", v, 2)); })},
        {"even", test([](const Value& v) { return !is_true(calculate("%", v, 2)); })},
        {"escaped", test([](const Value& v) { return v.is_safe(); })},
        {"filter", test([](const Value& v) { return find_filter(v.text("filter")) != nullptr; })},
        {"test", test([](const Value& v) { return find_test(v.text("test")) != nullptr; })},
        {"divisibleby", compared(divisible)},
        {"sameas", compared(is_same)},
        {"in", compared([](const Value& a, const Value& b) { return contains(b, a); })}};
    for (const char* name : {"equalto", "eq", "=="}) t[name] = compared(equal);
    for (const char* name : {"ne", "!="})
      t[name] = compared([](const Value& a, const Value& b) { return !equal(a, b); });
    for (const char* name : {"lt", "lessthan", "<"}) t[name] = compared(less);
    for (const char* name : {"gt", "greaterthan", ">"})
      t[name] = compared([](const Value& a, const Value& b) { return less(b, a); });
    for (const char* name : {"le", "<="})
      t[name] = compared([](const Value& a, const Value& b) { return !less(b, a); });
    for (const char* name : {"ge", ">="})
      t[name] = compared([](const Value& a, const Value& b) { return !less(a, b); });
    return t;
  }();
  return table;
}

}  // namespace

const Function* find_test(const std::string& name) {
  const auto row = tests().find(name);
  return row == tests().end() ? nullptr : &row->second;
}

bool passes_test(const std::string& name, const Value& value, const Arguments& arguments) {
  const Function* test = find_test(name);
  if (test == nullptr) throw bad_input("the test '{}' is not known", name);
  return is_true((*test)(value, arguments));
}

}  // namespace mop::jinja
