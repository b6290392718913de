// text/jinja/value.h -- values of text/jinja.h. They behave as in Python but are immutable, except
// namespaces.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/jinja/object.h"
#include "text/jinja/work.h"

namespace mop::jinja {

class Value;
class Dict;
using List = std::vector<Value>;

/// An undefined value, and the name that was not found.
class Undefined {
 public:
  Undefined() = default;
  explicit Undefined(std::string_view name);
  /// Empty when there is none. The beginning of a long one: it is for errors only.
  std::string_view name() const { return name_ == nullptr ? std::string_view() : *name_; }

 private:
  std::shared_ptr<const std::string> name_;
};
struct None {};
struct Tuple {
  std::shared_ptr<const List> list;
};
/// A string from the filters `safe` and `escape`: text appended to it is escaped for HTML.
struct SafeText {
  std::shared_ptr<const std::string> text;
};

/// Cheap to copy: copies share texts (but for those of few bytes), lists and mappings.
class Value {
 public:
  Value() : Value(Undefined{}) {}
  Value(Undefined undefined) : any_(std::move(undefined)) {}
  Value(None none) : any_(none) {}
  Value(std::same_as<bool> auto value) : any_(value) {}
  template <typename T>
  requires(std::integral<T> && !std::same_as<T, bool>) Value(T value)
      : any_(static_cast<int64_t>(value)) {}
  Value(double value) : any_(value) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::string text);
  Value(List list);
  Value(Dict dict);
  Value(std::shared_ptr<Object> object);
  static Value tuple(List list);
  static Value from_json(const Json& json);

  static Value safe(std::string text);

  template <typename T>
  const T* as() const {
    if constexpr (std::same_as<T, std::string>) {
      if (const auto* safe = std::get_if<SafeText>(&any_)) return safe->text.get();
      if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&any_))
        return shared->get();
    }
    return std::get_if<T>(&any_);
  }
  bool is_undefined() const { return as<Undefined>() != nullptr; }
  bool is_none() const { return as<None>() != nullptr; }
  bool is_text() const { return as<std::string>() != nullptr; }
  bool is_safe() const { return as<SafeText>() != nullptr; }
  bool is_boolean() const { return as<bool>() != nullptr; }
  bool is_integer() const { return as<int64_t>() != nullptr; }
  bool is_real() const { return as<double>() != nullptr; }
  /// Includes booleans, as in Python.
  bool is_number() const { return is_integer() || is_real() || is_boolean(); }
  bool is_tuple() const { return as<Tuple>() != nullptr; }
  const Dict* dict() const;
  /// The elements of a list or tuple; nullptr otherwise.
  const List* list() const;
  Object* object() const;

  /// Each throws Error(kBadInput) naming the actual type; `what` names the operation.
  const std::string& text(std::string_view what) const;
  int64_t integer(std::string_view what) const;
  double real(std::string_view what) const;
  /// Returns "a list", or "undefined (`name`)".
  std::string type() const;

 private:
  using Any =
      std::variant<Undefined, None, bool, int64_t, double, std::string,
                   std::shared_ptr<const std::string>, SafeText, std::shared_ptr<const List>, Tuple,
                   std::shared_ptr<const Dict>, std::shared_ptr<Object>>;
  explicit Value(Any any) : any_(std::move(any)) {}
  friend int depth_of(const List& list);
  Any any_;
  int depth_ = 0;  ///< nesting of lists; limited, since values are processed recursively
};

/// Returns the largest depth of the elements.
int depth_of(const List& list);

/// A mapping in insertion order.
class Dict {
 public:
  const Value* find(const Value& key) const;
  void set(Value key, Value value);
  /// The same for a key that is not in the mapping.
  void append(Value key, Value value) { items_.emplace_back(std::move(key), std::move(value)); }
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }

 private:
  std::vector<std::pair<Value, Value>> items_;
};

/// The arguments of a call.
struct Arguments {
  List positional;
  std::vector<std::pair<std::string, Value>> named;
  /// Returns the argument `name`, or the positional one at `place`; nullptr when absent.
  const Value* find(size_t place, std::string_view name) const;
  /// The same, but returns `fallback` when absent.
  Value get(size_t place, std::string_view name, Value fallback) const;
  std::string text(size_t place, std::string_view name, std::string fallback) const;
  int64_t integer(size_t place, std::string_view name, int64_t fallback) const;
  bool flag(size_t place, std::string_view name) const;
};

}  // namespace mop::jinja
