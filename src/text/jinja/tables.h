// text/jinja/tables.h -- filters, tests, methods and functions by name.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "text/jinja/operations.h"

namespace mop::jinja {

struct Rendering;

/// A named function: `x | name(..)`, `x is name(..)`, `x.name(..)`, `name(..)`.
using Function = std::function<Value(const Value& subject, const Arguments& arguments)>;
using Table = std::map<std::string, Function, std::less<>>;
/// Returns nullptr for an unknown name.
const Function* find_filter(const std::string& name);
const Function* find_test(const std::string& name);
/// Finds a method of the type of `value`.
const Function* find_method(const Value& value, const std::string& name);
/// Returns whether this is a method in Python that would modify the value.
bool changes_its_value(const Value& value, const std::string& name);
/// Returns a global function as a value; undefined when there is none.
Value find_global(const std::string& name, Rendering& rendering);
/// Returns a function as a value that is called with `subject` as its first argument.
Value bound(std::string name, const Function& function, Value subject);
/// Calls the filter or test `name`. Throws Error(kBadInput) for an unknown name.
Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments);
bool passes_test(const std::string& name, const Value& value, const Arguments& arguments);

}  // namespace mop::jinja
