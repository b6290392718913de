// text/jinja/value.cc
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/tables.h"
#include "text/unicode.h"

namespace mop::jinja {

Undefined::Undefined(std::string_view name) {
  constexpr size_t kLongestName = 200;
  name = name.substr(0, kLongestName);
  if (name.empty()) return;
  Work::make_text(name.size());
  name_ = std::make_shared<const std::string>(name);
}

Value Object::attribute(const std::string& name) const { return Undefined{name}; }
void Object::set(const std::string& name, Value) {
  throw bad_input("`{}` of a {} cannot be set, only a namespace's can", name, type());
}
Value Object::call(const Arguments&) { throw bad_input("a {} cannot be called", type()); }

namespace {

constexpr int kDeepestValue = 256;

int one_deeper(int depth) {
  if (depth < kDeepestValue) return depth + 1;
  throw bad_input("the template makes values nested more than {} deep", kDeepestValue);
}

int depth_of_items(const Dict& dict) {
  int deepest = 0;
  for (const auto& [key, value] : dict.items())
    deepest = std::max(deepest, depth_of(List{key, value}));
  return deepest;
}

}  // namespace

int depth_of(const List& list) {
  int deepest = 0;
  for (const Value& value : list) deepest = std::max(deepest, value.depth_);
  return deepest;
}

Value::Value(std::string text) {
  Work::make_text(text.size());
  if (text.size() <= Work::kTextInPlace) {
    any_ = std::move(text);
  } else {
    any_ = std::make_shared<const std::string>(std::move(text));
  }
}

Value Value::safe(std::string text) {
  Work::make_text(text.size());
  return Value(Any(SafeText{std::make_shared<const std::string>(std::move(text))}));
}

Value::Value(List list) : depth_(one_deeper(depth_of(list))) {
  Work::make_elements(list.size());
  any_ = std::make_shared<const List>(std::move(list));
}

Value Value::tuple(List list) {
  Value value(std::move(list));
  value.any_ = Tuple{std::get<std::shared_ptr<const List>>(value.any_)};
  return value;
}

Value::Value(Dict dict) : depth_(one_deeper(depth_of_items(dict))) {
  Work::make_elements(2 * dict.items().size());
  any_ = std::make_shared<const Dict>(std::move(dict));
}

Value::Value(std::shared_ptr<Object> object)
    : any_(object), depth_(object == nullptr ? 0 : one_deeper(object->depth())) {}

Value Object::self() const { return std::const_pointer_cast<Object>(shared_from_this()); }

Value Value::from_json(const Json& json) {
  if (json.is_null()) return None{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) return json.get<double>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    List list;
    for (const Json& element : json) list.push_back(from_json(element));
    return list;
  }
  Dict dict;
  for (const auto& [key, inner] : json.items()) dict.append(key, from_json(inner));
  return dict;
}

const Dict* Value::dict() const {
  const auto* dict = as<std::shared_ptr<const Dict>>();
  return dict == nullptr ? nullptr : dict->get();
}

const List* Value::list() const {
  if (const auto* tuple = as<Tuple>()) return tuple->list.get();
  const auto* list = as<std::shared_ptr<const List>>();
  return list == nullptr ? nullptr : list->get();
}

Object* Value::object() const {
  const auto* object = as<std::shared_ptr<Object>>();
  return object == nullptr ? nullptr : object->get();
}

std::string Value::type() const {
  if (const auto* undefined = as<Undefined>())
    return undefined->name().empty() ? "an undefined value"
                                     : fmt::format("`{}`, which is undefined", undefined->name());
  if (object() != nullptr) return "a " + object()->type();
  if (is_tuple()) return "a tuple";
  if (list() != nullptr) return "a list";
  if (dict() != nullptr) return "a mapping";
  if (is_none()) return "none";
  return is_text() ? "a text" : is_boolean() ? "a boolean" : "a number";
}

const std::string& Value::text(std::string_view what) const {
  if (const auto* text = as<std::string>()) return *text;
  throw bad_input("{} needs a text, not {}", what, type());
}

int64_t Value::integer(std::string_view what) const {
  if (const auto* number = as<int64_t>()) return *number;
  if (const auto* truth = as<bool>()) return *truth ? 1 : 0;
  throw bad_input("{} needs a whole number, not {}", what, type());
}

double Value::real(std::string_view what) const {
  if (const auto* number = as<double>()) return *number;
  if (is_number()) return static_cast<double>(integer(what));
  throw bad_input("{} needs a number, not {}", what, type());
}

const Value* Dict::find(const Value& key) const {
  for (const auto& [known, value] : items_) {
    if (equal(known, key)) return &value;
  }
  return nullptr;
}

void Dict::set(Value key, Value value) {
  for (auto& [known, old] : items_) {
    if (equal(known, key)) {
      old = std::move(value);
      return;
    }
  }
  items_.emplace_back(std::move(key), std::move(value));
}

const Value* Arguments::find(size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [known, value] : named) {
    if (known == name) return &value;
  }
  return nullptr;
}

Value Arguments::get(size_t place, std::string_view name, Value fallback) const {
  const Value* value = find(place, name);
  if (value == nullptr) return fallback;
  return *value;
}

std::string Arguments::text(size_t place, std::string_view name, std::string fallback) const {
  const Value* value = find(place, name);
  if (value == nullptr || value->is_none()) return fallback;
  Work::look_at(value->text(name).size());
  return value->text(name);
}

int64_t Arguments::integer(size_t place, std::string_view name, int64_t fallback) const {
  const Value* value = find(place, name);
  return value == nullptr || value->is_none() ? fallback : value->integer(name);
}

bool Arguments::flag(size_t place, std::string_view name) const {
  const Value* value = find(place, name);
  return value != nullptr && is_true(*value);
}

bool is_true(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_number()) return value.real("") != 0;
  if (const auto* text = value.as<std::string>()) return !text->empty();
  if (const List* list = value.list()) return !list->empty();
  if (const Dict* dict = value.dict()) return !dict->items().empty();
  return true;
}

bool equal(const Value& a, const Value& b) {
  Work::steps(1);
  if (a.is_number() && b.is_number()) {
    if (a.is_real() || b.is_real()) return a.real("") == b.real("");
    return a.integer("") == b.integer("");
  }
  if (const auto* text = a.as<std::string>()) {
    const auto* other = b.as<std::string>();
    if (other == nullptr || text->size() != other->size()) return false;
    Work::look_at(text->size());
    return *text == *other;
  }
  if (const Dict* dict = a.dict()) {
    const Dict* other = b.dict();
    return other != nullptr && dict->items().size() == other->items().size() &&
           std::all_of(dict->items().begin(), dict->items().end(), [&](const auto& pair) {
             const Value* found = other->find(pair.first);
             return found != nullptr && equal(*found, pair.second);
           });
  }
  if (const List* list = a.list()) {
    const List* other = b.list();
    return other != nullptr && a.is_tuple() == b.is_tuple() &&
           std::equal(list->begin(), list->end(), other->begin(), other->end(), equal);
  }
  if (a.object() != nullptr) return a.object() == b.object();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

bool less(const Value& a, const Value& b) {
  Work::steps(1);
  if (a.is_integer() && b.is_integer()) return a.integer("") < b.integer("");
  if (a.is_number() && b.is_number()) return a.real("") < b.real("");
  // The order of UTF-8 strings equals that of their code points.
  if (a.is_text() && b.is_text()) {
    Work::look_at(std::min(a.text("").size(), b.text("").size()));
    return a.text("") < b.text("");
  }
  const List *x = a.list(), *y = b.list();
  if (x != nullptr && y != nullptr && a.is_tuple() == b.is_tuple()) {
    for (size_t i = 0; i < std::min(x->size(), y->size()); ++i) {
      if (!equal((*x)[i], (*y)[i])) return less((*x)[i], (*y)[i]);
    }
    return x->size() < y->size();
  }
  throw bad_input("{} and {} cannot be put in order", a.type(), b.type());
}

bool contains(const Value& container, const Value& item) {
  if (const auto* text = container.as<std::string>()) {
    const std::string& wanted = item.text("a search in a text");
    Work::search(text->size(), wanted.size());
    return text->find(wanted) != text->npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(item) != nullptr;
  if (const List* list = container.list())
    return std::any_of(list->begin(), list->end(), [&](const Value& v) { return equal(v, item); });
  elements(container);  // throws for a value without elements
  return false;
}

// Copied and freed memory counts as steps; it counts as bytes only where much of it can be live at
// once.
constexpr size_t kShort = 10000, kShortText = size_t{1} << 20;

List elements(const Value& value) {
  if (const List* list = value.list()) {
    list->size() <= kShort ? Work::steps(list->size() / 16) : Work::make_elements(list->size());
    return *list;
  }
  List all;
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, inner] : dict->items()) all.push_back(key);
  } else if (const auto* text = value.as<std::string>()) {
    text->size() <= kShortText ? Work::letters(text->size()) : Work::make_elements(text->size());
    for (size_t at = 0; at < text->size();) {
      const size_t bytes = code_point_at(*text, at).bytes;
      all.emplace_back(text->substr(at, bytes));
      at += bytes;
    }
  } else if (!value.is_undefined()) {
    throw bad_input("{} has no elements", value.type());
  }
  return all;
}

int64_t length(const Value& value) {
  const auto is_first = [](char c) { return !continues_letter(c); };
  if (const auto* text = value.as<std::string>()) {
    Work::look_at(text->size());
    return std::count_if(text->begin(), text->end(), is_first);
  }
  if (const List* list = value.list()) return std::ssize(*list);
  if (const Dict* dict = value.dict()) return std::ssize(dict->items());
  return std::ssize(elements(value));
}

namespace {

[[noreturn]] void refuse_undefined(const Undefined& undefined, const std::string& key) {
  if (undefined.name().empty()) throw bad_input("an undefined value has no `{}`", key);
  throw bad_input("`{}` is undefined, it has no `{}`", undefined.name(), key);
}

// Returns the value of `key` in a mapping, or an element by its index; nullptr when absent.
const Value* find_item(const Value& value, const Value& key) {
  if (const Dict* dict = value.dict()) return dict->find(key);
  const List* list = value.list();
  if (list == nullptr || !(key.is_integer() || key.is_boolean())) return nullptr;
  int64_t index = key.integer("");
  if (index < 0) index += std::ssize(*list);
  return index < 0 || index >= std::ssize(*list) ? nullptr : &(*list)[static_cast<size_t>(index)];
}

}  // namespace

Value attribute(const Value& value, const std::string& key) {
  if (const auto* undefined = value.as<Undefined>()) refuse_undefined(*undefined, key);
  if (value.object() != nullptr) return value.object()->attribute(key);
  if (const Function* method = find_method(value, key)) return bound(key, *method, value);
  if (changes_its_value(value, key))
    throw bad_input("a template may not change {}, as `{}` would", value.type(), key);
  const Value* found = find_item(value, key);
  return found == nullptr ? Value(Undefined{key}) : *found;
}

Value item(const Value& value, const Value& key) {
  if (const auto* undefined = value.as<Undefined>()) refuse_undefined(*undefined, to_text(key));
  if (const Value* found = find_item(value, key)) return *found;
  if (value.is_text() && key.is_integer()) {
    const List all = elements(value);
    const int64_t index = key.integer("") + (key.integer("") < 0 ? std::ssize(all) : 0);
    if (index >= 0 && index < std::ssize(all)) return all[static_cast<size_t>(index)];
  }
  return key.is_text() ? attribute(value, key.text("")) : Value(Undefined{to_text(key)});
}

Value slice(const Value& value, const Value& begin, const Value& end, const Value& step) {
  if (!value.is_text() && value.list() == nullptr)
    throw bad_input("{} cannot be sliced", value.type());
  const List all = elements(value);
  const int64_t count = std::ssize(all), by = step.is_none() ? 1 : step.integer("a slice");
  if (by == 0) throw bad_input("a slice cannot have the step 0");
  const auto place = [&](const Value& bound, int64_t none) {
    if (bound.is_none()) return none;
    const int64_t index = bound.integer("a slice");
    return std::clamp<int64_t>(index + (index < 0 ? count : 0), by > 0 ? 0 : -1,
                               by > 0 ? count : count - 1);
  };
  const int64_t from = place(begin, by > 0 ? 0 : count - 1), to = place(end, by > 0 ? count : -1);
  List list;
  for (int64_t i = from; by > 0 ? i < to : i > to;) {
    list.push_back(all[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  if (!value.is_text()) return value.is_tuple() ? Value::tuple(std::move(list)) : Value(list);
  std::string text;
  for (const Value& letter : list) text += letter.text("");
  return text;
}

Value call(const Value& value, const Arguments& arguments) {
  if (value.object() != nullptr) return value.object()->call(arguments);
  if (const auto* undefined = value.as<Undefined>();
      undefined != nullptr && !undefined->name().empty())
    throw bad_input("the function '{}' is not known", undefined->name());
  throw bad_input("{} cannot be called", value.type());
}

}  // namespace mop::jinja
