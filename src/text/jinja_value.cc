// text/jinja_value.cc -- values behave as Python's do.
#include "text/jinja_value.h"

#include "base/error.h"
#include "text/unicode.h"

namespace mop::jinja {

Value Scope::get(const std::string& name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
    const auto found = scope->names_.find(name);
    if (found != scope->names_.end()) return found->second;
  }
  return Value::undefined();
}

const Value* Arguments::find(size_t place, const std::string& name) const {
  if (place < positional.size()) return &positional[place];
  const auto found = named.find(name);
  return found == named.end() ? nullptr : &found->second;
}

bool is_true(const Value& value) {
  if (value.shared) return true;
  if (!value.defined || value.json.is_null()) return false;
  if (value.json.is_boolean()) return value.json.get<bool>();
  if (value.json.is_number()) return value.json.get<double>() != 0;
  if (value.json.is_string()) return !value.json.get_ref<const std::string&>().empty();
  return !value.json.empty();
}

std::string to_text(const Value& value) {
  if (!value.defined) return "";
  const Json& json = value.json;
  if (json.is_string()) return json.get<std::string>();
  if (json.is_null()) return "None";
  if (json.is_boolean()) return json.get<bool>() ? "True" : "False";
  if (json.is_number_integer()) return json.dump();
  throw bad_input("a {} is printed as it is", json.type_name())
      .hint("a template prints texts and whole numbers, others through tojson");
}

bool equal(const Value& a, const Value& b) {
  if (!a.defined || !b.defined) return a.defined == b.defined;
  return a.json == b.json;
}

bool less(const Value& a, const Value& b) {
  const bool texts = a.json.is_string() && b.json.is_string();
  if (!texts && !(a.json.is_number() && b.json.is_number()))
    throw bad_input("a {} and a {} cannot be put in order", a.json.type_name(), b.json.type_name());
  return a.json < b.json;
}

bool contains(const Value& container, const Value& item) {
  const Json& json = container.json;
  if (json.is_string() && item.json.is_string())
    return json.get_ref<const std::string&>().find(item.json.get_ref<const std::string&>()) !=
           std::string::npos;
  if (json.is_object())
    return item.json.is_string() && json.contains(item.json.get_ref<const std::string&>());
  for (const Value& element : elements(container)) {
    if (equal(element, item)) return true;
  }
  return false;
}

std::vector<Value> elements(const Value& value) {
  std::vector<Value> all;
  const Json& json = value.json;
  if (json.is_array()) {
    for (const Json& element : json) all.push_back({element, true, nullptr});
  } else if (json.is_object()) {
    for (const auto& [key, inner] : json.items()) all.push_back({key, true, nullptr});
  } else if (json.is_string()) {
    const std::string& text = json.get_ref<const std::string&>();
    for (size_t at = 0; at < text.size();) {
      const size_t bytes = code_point_at(text, at).bytes;
      all.push_back({text.substr(at, bytes), true, nullptr});
      at += bytes;
    }
  } else if (value.defined) {
    throw bad_input("a {} has no elements", json.type_name());
  }
  return all;
}

Value item(const Value& value, const Value& key) {
  if (!value.defined) throw bad_input("something undefined has no `{}`", to_text(key));
  const Json& json = value.shared ? *value.shared : value.json;
  if (json.is_object() && key.json.is_string()) {
    const auto found = json.find(key.json.get_ref<const std::string&>());
    return found == json.end() ? Value::undefined() : Value{*found, true, nullptr};
  }
  if (!key.json.is_number_integer()) return Value::undefined();
  const std::vector<Value> all = elements(value);
  const auto count = static_cast<int64_t>(all.size());
  int64_t index = key.json.get<int64_t>();
  if (index < 0) index += count;
  return index < 0 || index >= count ? Value::undefined() : all[static_cast<size_t>(index)];
}

std::string dump(const Json& json, int indent) {
  if (indent >= 0) return json.dump(indent);
  // Python puts a blank behind commas and colons.
  if (json.is_array() || json.is_object()) {
    std::string text = json.is_array() ? "[" : "{";
    for (const auto& [key, inner] : json.items()) {
      if (text.size() > 1) text += ", ";
      if (json.is_object()) text += Json(key).dump() + ": ";
      text += dump(inner, -1);
    }
    return text + (json.is_array() ? "]" : "}");
  }
  return json.dump();
}

}  // namespace mop::jinja
