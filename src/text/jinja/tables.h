// text/jinja/tables.h -- filters, tests, methods and functions: what templates call by name.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "text/jinja/operations.h"

namespace mop::jinja {

struct Rendering;

/// Things called by name: `x | name(..)`, `x is name(..)`, `x.name(..)`, `name(..)`.
using Function = std::function<Value(const Value& subject, const Arguments& arguments)>;
using Table = std::map<std::string, Function, std::less<>>;
/// Null for a name that is not known.
const Function* find_filter(const std::string& name);
const Function* find_test(const std::string& name);
/// Of this value's type.
const Function* find_method(const Value& value, const std::string& name);
/// Whether Python's type has such a method, which would change the value.
bool changes_its_value(const Value& value, const std::string& name);
/// A global function as a value; undefined when there is none.
Value find_global(const std::string& name, Rendering& rendering);
/// A function as a value; what it is called with besides its arguments is `subject`.
Value bound(std::string name, const Function& function, Value subject);
/// The same, throwing for what is not known.
Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments);
bool passes_test(const std::string& name, const Value& value, const Arguments& arguments);

}  // namespace mop::jinja
