// text/jinja/operations.h -- Python's operators and functions on values.
#pragma once
#include <string>

#include "text/jinja/value.h"

namespace mop::jinja {

bool is_true(const Value& value);
/// `str(value)` and `repr(value)`.
std::string to_text(const Value& value);
std::string to_repr(const Value& value);
bool equal(const Value& a, const Value& b);
bool less(const Value& a, const Value& b);
bool contains(const Value& container, const Value& item);
Value add(const Value& a, const Value& b);
std::string html_escaped(const std::string& text);
Value negative(const Value& value);
/// Applies - * / // % or **.
Value calculate(const std::string& sign, const Value& a, const Value& b);
/// Returns the elements that a loop visits: elements, keys or characters.
List elements(const Value& value);
int64_t length(const Value& value);
/// `value.key` and `value[key]`; undefined when absent.
Value attribute(const Value& value, const std::string& key);
Value item(const Value& value, const Value& key);
/// `value[begin:end:step]`; a none argument is omitted.
Value slice(const Value& value, const Value& begin, const Value& end, const Value& step);
/// `value(..)`.
Value call(const Value& value, const Arguments& arguments);

/// Options of Python's json.dumps.
struct JsonStyle {
  std::string indent = {}, item_separator = ", ", key_separator = ": ";
  bool pretty = false, ascii = false, sort_keys = false;
};
std::string dump(const Value& value, const JsonStyle& style, const std::string& margin = "\n");

/// `format % values` (a tuple, a mapping or one value), and `format.format(..)`.
std::string percent_format(const std::string& format, const Value& values);
std::string brace_format(const std::string& format, const Arguments& arguments);

}  // namespace mop::jinja
