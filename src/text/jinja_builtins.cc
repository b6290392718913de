// text/jinja_builtins.cc -- filters, tests, methods and functions of chat templates: one table
// each.
#include <algorithm>

#include "base/error.h"
#include "text/jinja_value.h"

namespace mop::jinja {
namespace {

using Table = std::map<std::string, Function>;

Value of(Json json) { return {std::move(json), true, nullptr}; }

const std::string& text_of(const Value& value, const char* what) {
  if (value.json.is_string()) return value.json.get_ref<const std::string&>();
  throw bad_input("{} needs a text, not {}", what,
                  value.defined ? value.json.type_name() : "something undefined");
}

std::string argument_text(const Arguments& in, size_t place, const char* name,
                          const std::string& fallback) {
  const Value* value = in.find(place, name);
  return value == nullptr || value->json.is_null() ? fallback : text_of(*value, name);
}

std::string strip(std::string text, const std::string& letters, bool left, bool right) {
  if (right) text.erase(text.find_last_not_of(letters) + 1);
  if (left) text.erase(0, std::min(text.find_first_not_of(letters), text.size()));
  return text;
}

constexpr const char* kBlanks = " \t\n\r\v\f";

template <bool kLeft, bool kRight>
Value stripped(const Value& value, const Arguments& in) {
  return of(strip(text_of(value, "strip"), argument_text(in, 0, "chars", kBlanks), kLeft, kRight));
}

template <int (*kChange)(int)>
Value changed_case(const Value& value, const Arguments&) {
  std::string text = to_text(value);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 128) c = static_cast<char>(kChange(c));
  }
  return of(text);
}

Value capitalized(const Value& value, const Arguments& in) {
  std::string text = changed_case<std::tolower>(value, in).json.get<std::string>();
  if (!text.empty() && static_cast<unsigned char>(text[0]) < 128)
    text[0] = static_cast<char>(std::toupper(text[0]));
  return of(text);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

Value replace(const Value& value, const Arguments& in) {
  return of(
      replaced(to_text(value), argument_text(in, 0, "old", ""), argument_text(in, 1, "new", "")));
}

Value split(const Value& value, const Arguments& in) {
  std::string text = text_of(value, "split");
  const std::string separator = argument_text(in, 0, "sep", "");
  const Value* limit = in.find(1, "maxsplit");
  int64_t left = limit == nullptr ? -1 : limit->json.get<int64_t>();
  Json parts = Json::array();
  if (separator.empty()) {
    for (size_t at = 0; (at = text.find_first_not_of(kBlanks, at)) != text.npos;) {
      const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
      parts.push_back(text.substr(at, end - at));
      at = end;
    }
    return of(parts);
  }
  for (size_t at; left != 0 && (at = text.find(separator)) != text.npos; --left) {
    parts.push_back(text.substr(0, at));
    text.erase(0, at + separator.size());
  }
  parts.push_back(text);
  return of(parts);
}

template <bool kStart>
Value begins_or_ends(const Value& value, const Arguments& in) {
  const std::string& text = text_of(value, "startswith");
  const Value* wanted = in.find(0, "prefix");
  if (wanted == nullptr) throw bad_input("startswith and endswith need a text");
  const std::string part = text_of(*wanted, "startswith");
  return of(kStart ? text.starts_with(part) : text.ends_with(part));
}

Value pairs(const Value& value, const Arguments&) {
  if (!value.json.is_object()) throw bad_input("items needs a mapping");
  Json list = Json::array();
  for (const auto& [key, inner] : value.json.items()) list.push_back(Json::array({key, inner}));
  return of(list);
}

template <bool kKeys>
Value keys_or_values(const Value& value, const Arguments&) {
  Json list = Json::array();
  for (const auto& [key, inner] : value.json.items()) list.push_back(kKeys ? Json(key) : inner);
  return of(list);
}

Value get(const Value& value, const Arguments& in) {
  const Value* key = in.find(0, "key");
  if (key == nullptr) throw bad_input("get needs a key");
  const Value found = item(value, *key);
  if (found.defined) return found;
  const Value* fallback = in.find(1, "default");
  return fallback == nullptr ? of(nullptr) : *fallback;
}

Value length(const Value& value, const Arguments&) {
  if (!value.defined) return of(0);
  return of(elements(value).size());
}

Value list_of(const Value& value, const Arguments&) {
  Json list = Json::array();
  for (const Value& element : elements(value)) list.push_back(element.json);
  return of(list);
}

template <bool kFirst>
Value end_of(const Value& value, const Arguments&) {
  const auto all = elements(value);
  if (all.empty()) return Value::undefined();
  return kFirst ? all.front() : all.back();
}

Value reversed(const Value& value, const Arguments& in) {
  Json list = list_of(value, in).json;
  std::reverse(list.begin(), list.end());
  return of(list);
}

Value join(const Value& value, const Arguments& in) {
  std::string text;
  const std::string separator = argument_text(in, 0, "d", "");
  bool first = true;
  for (const Value& element : elements(value)) {
    text += (first ? "" : separator) + to_text(element);
    first = false;
  }
  return of(text);
}

Value fallback(const Value& value, const Arguments& in) {
  const Value* other = in.find(0, "default_value");
  const Value* also_false = in.find(1, "boolean");
  const bool take = !value.defined || (also_false && is_true(*also_false) && !is_true(value));
  return take ? (other == nullptr ? of("") : *other) : value;
}

Value to_json_text(const Value& value, const Arguments& in) {
  const Value* indent = in.find(1, "indent");
  return of(
      dump(value.json, indent == nullptr || indent->json.is_null() ? -1 : indent->json.get<int>()));
}

Value to_integer(const Value& value, const Arguments&) {
  if (value.json.is_number()) return of(static_cast<int64_t>(value.json.get<double>()));
  const std::string text = to_text(value);
  return of(static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10)));
}

// selectattr("role", "equalto", "user"): elements whose attribute passes the test, or is true.
template <bool kKeep>
Value select_by(const Value& value, const Arguments& in) {
  if (in.positional.empty()) throw bad_input("selectattr needs an attribute");
  Arguments rest;
  if (in.positional.size() > 2)
    rest.positional.assign(in.positional.begin() + 2, in.positional.end());
  Json kept = Json::array();
  for (const Value& element : elements(value)) {
    const Value attribute = item(element, in.positional[0]);
    const bool passes =
        in.positional.size() < 2
            ? is_true(attribute)
            : is_true(find_test(text_of(in.positional[1], "a test"))(attribute, rest));
    if (passes == kKeep) kept.push_back(element.json);
  }
  return of(kept);
}

Value map(const Value& value, const Arguments& in) {
  const Value* attribute = in.find(9, "attribute");
  Json list = Json::array();
  for (const Value& element : elements(value)) {
    if (attribute != nullptr) {
      list.push_back(item(element, *attribute).json);
    } else {
      if (in.positional.empty()) throw bad_input("map needs a filter or attribute=");
      list.push_back(find_filter(text_of(in.positional[0], "map"))(element, {}).json);
    }
  }
  return of(list);
}

template <typename Check>
Function test(Check check) {
  return [check](const Value& value, const Arguments&) { return of(check(value)); };
}

template <typename Compare>
Function compared(Compare compare) {
  return [compare](const Value& value, const Arguments& in) {
    const Value* other = in.find(0, "other");
    if (other == nullptr) throw bad_input("a comparing test needs something to compare with");
    return of(compare(value, *other));
  };
}

Value raise(const Value&, const Arguments& in) {
  throw bad_input("the chat template refuses the conversation: {}",
                  argument_text(in, 0, "message", "no reason given"));
}

Value make_namespace(const Value&, const Arguments& in) {
  auto shared = std::make_shared<Json>(Json::object());
  for (const auto& [name, value] : in.named) (*shared)[name] = value.json;
  return {nullptr, true, shared};
}

Value range(const Value&, const Arguments& in) {
  std::vector<int64_t> n;
  for (const Value& value : in.positional) n.push_back(value.json.get<int64_t>());
  if (n.empty() || n.size() > 3 || (n.size() == 3 && n[2] == 0))
    throw bad_input("range needs 1 to 3 numbers");
  const int64_t begin = n.size() > 1 ? n[0] : 0, end = n.size() > 1 ? n[1] : n[0];
  const int64_t step = n.size() > 2 ? n[2] : 1;
  Json list = Json::array();
  for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) list.push_back(i);
  return of(list);
}

const Table& filters() {
  static const Table table = {
      {"trim", stripped<true, true>},
      {"length", length},
      {"count", length},
      {"lower", changed_case<std::tolower>},
      {"upper", changed_case<std::toupper>},
      {"capitalize", capitalized},
      {"default", fallback},
      {"d", fallback},
      {"join", join},
      {"list", list_of},
      {"first", end_of<true>},
      {"last", end_of<false>},
      {"reverse", reversed},
      {"replace", replace},
      {"tojson", to_json_text},
      {"items", pairs},
      {"int", to_integer},
      {"string", [](const Value& v, const Arguments&) { return of(to_text(v)); }},
      {"safe", [](const Value& v, const Arguments&) { return v; }},
      {"selectattr", select_by<true>},
      {"rejectattr", select_by<false>},
      {"map", map}};
  return table;
}

const Table& tests() {
  static const Table table = [] {
    Table t = {
        {"defined", test([](const Value& v) { return v.defined; })},
        {"undefined", test([](const Value& v) { return !v.defined; })},
        {"none", test([](const Value& v) { return v.defined && !v.shared && v.json.is_null(); })},
        {"string", test([](const Value& v) { return v.json.is_string(); })},
        {"number", test([](const Value& v) { return v.json.is_number(); })},
        {"integer", test([](const Value& v) { return v.json.is_number_integer(); })},
        {"boolean", test([](const Value& v) { return v.json.is_boolean(); })},
        {"true", test([](const Value& v) { return v.json == Json(true); })},
        {"false", test([](const Value& v) { return v.json == Json(false); })},
        {"mapping", test([](const Value& v) { return v.json.is_object(); })},
        {"sequence",
         test([](const Value& v) { return v.json.is_structured() || v.json.is_string(); })},
        {"iterable",
         test([](const Value& v) { return v.json.is_structured() || v.json.is_string(); })},
        {"odd", test([](const Value& v) { return v.json.get<int64_t>() % 2 != 0; })},
        {"even", test([](const Value& v) { return v.json.get<int64_t>() % 2 == 0; })},
        {"in", compared([](const Value& a, const Value& b) { return contains(b, a); })},
        {"ne", compared([](const Value& a, const Value& b) { return !equal(a, b); })}};
    for (const char* name : {"equalto", "eq", "=="}) t[name] = compared(equal);
    t["!="] = t["ne"];
    return t;
  }();
  return table;
}

const Table& methods() {
  static const Table table = {{"strip", stripped<true, true>},
                              {"lstrip", stripped<true, false>},
                              {"rstrip", stripped<false, true>},
                              {"startswith", begins_or_ends<true>},
                              {"endswith", begins_or_ends<false>},
                              {"split", split},
                              {"replace", replace},
                              {"lower", changed_case<std::tolower>},
                              {"upper", changed_case<std::toupper>},
                              {"capitalize", capitalized},
                              {"items", pairs},
                              {"keys", keys_or_values<true>},
                              {"values", keys_or_values<false>},
                              {"get", get}};
  return table;
}

const Table& globals() {
  static const Table table = {
      {"raise_exception", raise}, {"namespace", make_namespace}, {"range", range}};
  return table;
}

const Function& find(const Table& table, const std::string& name, const char* what) {
  const auto row = table.find(name);
  if (row != table.end()) return row->second;
  throw bad_input("the {} '{}' is not known", what, name);
}

}  // namespace

const Function& find_filter(const std::string& name) { return find(filters(), name, "filter"); }
const Function& find_test(const std::string& name) { return find(tests(), name, "test"); }
const Function& find_method(const std::string& name) { return find(methods(), name, "method"); }
const Function& find_global(const std::string& name) { return find(globals(), name, "function"); }
bool is_global(const std::string& name) { return globals().contains(name); }

}  // namespace mop::jinja
