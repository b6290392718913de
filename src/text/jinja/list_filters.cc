// text/jinja/list_filters.cc
#include "text/jinja/list_filters.h"

#include <algorithm>

#include "base/error.h"
#include "text/jinja/letters.h"
#include "text/jinja/tables.h"

namespace mop::jinja {
namespace {

using Getter = std::function<Value(const Value&)>;

// Follows a path "a.0.b" of keys and indices; undefined, integer or absent paths are used as they
// are.
Value get_path(const Value& value, const Value& path) {
  if (!path.is_text()) return item(value, path);
  Value at = value;
  for (const std::string& part :
       split(path.text(""), &static_cast<const std::string&>("."), -1, false)) {
    const bool number =
        !part.empty() && part.find_first_not_of("0123456789") == part.npos && part.size() < 10;
    at = number ? item(at, std::stoll(part)) : item(at, part);
  }
  return at;
}

Getter getter(const Value& path, const Value& fallback = Undefined{}) {
  if (path.is_none()) return [](const Value& value) { return value; };
  return [path, fallback](const Value& value) {
    Value found = get_path(value, path);
    return found.is_undefined() && !fallback.is_undefined() ? fallback : found;
  };
}

// Sort key of a value: strings are compared without regard to case unless requested.
Value sort_key(const Value& value, bool case_sensitive) {
  return value.is_text() && !case_sensitive ? Value(lower(value.text(""))) : value;
}

Value length_of(const Value& value, const Arguments&) {
  if (!value.is_undefined() && !value.is_text() && value.list() == nullptr &&
      value.dict() == nullptr)
    throw bad_input("{} has no length", value.type());
  return length(value);
}

Value list_of(const Value& value, const Arguments&) { return elements(value); }

template <bool kFirst>
Value end_of(const Value& value, const Arguments&) {
  const List all = elements(value);
  if (all.empty()) return Undefined{kFirst ? "first" : "last"};
  return kFirst ? all.front() : all.back();
}

Value reversed(const Value& value, const Arguments&) {
  List all = elements(value);
  std::reverse(all.begin(), all.end());
  if (!value.is_text()) return all;
  std::string text;
  for (const Value& letter : all) text += letter.text("");
  return text;
}

Value join(const Value& value, const Arguments& in) {
  const std::string separator = to_text(in.get(0, "d", ""));
  const Getter get = getter(in.get(1, "attribute", None{}));
  std::string text;
  bool first = true;
  for (const Value& element : elements(value)) {
    text += (first ? "" : separator) + to_text(get(element));
    Work::check_length(text.size());
    first = false;
  }
  return text;
}

Value pairs(const Value& value, const Arguments&) {
  if (value.is_undefined()) return List();
  if (value.dict() == nullptr) throw bad_input("items needs a mapping, not {}", value.type());
  List list;
  for (const auto& [key, inner] : value.dict()->items()) list.push_back(Value::tuple({key, inner}));
  return list;
}

// map and select treat a false value as an empty list.
List elements_if_true(const Value& value) { return is_true(value) ? elements(value) : List(); }

// map(attribute="a.b", default=x), map("filter", ..).
Value map(const Value& value, const Arguments& in) {
  List list;
  const Value* path = in.find(SIZE_MAX, "attribute");
  if (path != nullptr) {
    const Getter get = getter(*path, in.get(SIZE_MAX, "default", Undefined{}));
    for (const Value& element : elements_if_true(value)) list.push_back(get(element));
    return list;
  }
  if (in.positional.empty()) throw bad_input("map needs a filter or attribute=");
  Arguments rest = in;
  rest.positional.erase(rest.positional.begin());
  for (const Value& element : elements_if_true(value)) {
    list.push_back(apply_filter(in.positional[0].text("map"), element, rest));
  }
  return list;
}

// select("test", ..), selectattr("path", "test", ..): without a test, true elements are kept.
template <bool kKeep, bool kAttribute>
Value select(const Value& value, const Arguments& in) {
  constexpr size_t kTest = kAttribute ? 1 : 0;
  if (kAttribute && in.positional.empty()) throw bad_input("selectattr needs an attribute");
  const Getter get = getter(kAttribute ? in.positional[0] : Value(None{}));
  Arguments rest = in;
  rest.positional.erase(
      rest.positional.begin(),
      rest.positional.begin() + static_cast<ptrdiff_t>(std::min(kTest + 1, in.positional.size())));
  List kept;
  for (const Value& element : elements_if_true(value)) {
    const Value looked_at = get(element);
    const bool passes = in.positional.size() <= kTest
                            ? is_true(looked_at)
                            : passes_test(in.positional[kTest].text("select"), looked_at, rest);
    if (passes == kKeep) kept.push_back(element);
  }
  return kept;
}

void sort_by(List& list, const Getter& key, bool reverse) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& element : list) keyed.emplace_back(key(element), std::move(element));
  std::stable_sort(keyed.begin(), keyed.end(), [reverse](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  for (size_t i = 0; i < list.size(); ++i) list[i] = std::move(keyed[i].second);
}

// sort(reverse, case_sensitive, attribute="a,b.c")
Value sorted(const Value& value, const Arguments& in) {
  List list = elements(value);
  const bool case_sensitive = in.flag(1, "case_sensitive");
  const Value path = in.get(2, "attribute", None{});
  std::vector<Getter> getters;
  if (path.is_text()) {
    const std::string comma = ",";
    for (const std::string& part : split(path.text(""), &comma, -1, false))
      getters.push_back(getter(part));
  } else {
    getters.push_back(getter(path));
  }
  sort_by(
      list,
      [&](const Value& element) {
        List key;
        for (const Getter& get : getters) key.push_back(sort_key(get(element), case_sensitive));
        return key.size() == 1 ? key[0] : Value(key);
      },
      in.flag(0, "reverse"));
  return list;
}

// dictsort(case_sensitive, by="key" or "value", reverse)
Value sorted_pairs(const Value& value, const Arguments& in) {
  if (value.dict() == nullptr) throw bad_input("dictsort needs a mapping, not {}", value.type());
  const std::string by = in.text(1, "by", "key");
  if (by != "key" && by != "value") throw bad_input("dictsort goes by key or value, not '{}'", by);
  List list = elements(pairs(value, {}));
  sort_by(
      list,
      [&](const Value& pair) {
        return sort_key(item(pair, by == "key" ? 0 : 1), in.flag(0, "case_sensitive"));
      },
      in.flag(2, "reverse"));
  return list;
}

template <bool kLeast>
Value extreme(const Value& value, const Arguments& in) {
  List list = elements(value);
  if (list.empty()) return Undefined{kLeast ? "min" : "max"};
  const Getter get = getter(in.get(1, "attribute", None{}));
  const auto key = [&](const Value& v) { return sort_key(get(v), in.flag(0, "case_sensitive")); };
  size_t best = 0;
  for (size_t i = 1; i < list.size(); ++i) {
    if (kLeast ? less(key(list[i]), key(list[best])) : less(key(list[best]), key(list[i])))
      best = i;
  }
  return list[best];
}

Value unique(const Value& value, const Arguments& in) {
  const Getter get = getter(in.get(1, "attribute", None{}));
  List seen, kept;
  for (const Value& element : elements(value)) {
    const Value key = sort_key(get(element), in.flag(0, "case_sensitive"));
    if (contains(seen, key)) continue;
    seen.push_back(key);
    kept.push_back(element);
  }
  return kept;
}

Value grouped(const Value& value, const Arguments& in) {
  const Value path = in.get(0, "attribute", None{});
  const Getter get = getter(path, in.get(1, "default", Undefined{}));
  const bool case_sensitive = in.flag(2, "case_sensitive");
  List list = elements(value);
  const auto key = [&](const Value& v) { return sort_key(get(v), case_sensitive); };
  sort_by(list, key, false);
  std::vector<std::pair<Value, List>> groups;
  for (const Value& element : list) {
    if (groups.empty() || !equal(key(groups.back().second[0]), key(element)))
      groups.emplace_back(get(element), List());
    groups.back().second.push_back(element);
  }
  List result;
  for (auto& [name, members] : groups) result.push_back(Value::tuple({name, std::move(members)}));
  return result;
}

Value sum(const Value& value, const Arguments& in) {
  const Getter get = getter(in.get(0, "attribute", None{}));
  Value total = in.get(1, "start", 0);
  for (const Value& element : elements(value)) total = add(total, get(element));
  return total;
}

// Splits into lists of `size` elements; the last is filled up.
Value batched(const Value& value, const Arguments& in) {
  const int64_t size = in.integer(0, "linecount", 0);
  const Value fill = in.get(1, "fill_with", None{});
  if (size < 1 || size > 100000) throw bad_input("batch needs a number of elements");
  List batches, batch;
  for (const Value& element : elements(value)) {
    if (std::ssize(batch) == size) batches.emplace_back(std::exchange(batch, {}));
    batch.push_back(element);
  }
  while (!batch.empty() && !fill.is_none() && std::ssize(batch) < size) batch.push_back(fill);
  if (!batch.empty()) batches.emplace_back(std::move(batch));
  return batches;
}

// Splits into `count` lists of about equal length.
Value sliced(const Value& value, const Arguments& in) {
  const List all = elements(value);
  const int64_t count = in.integer(0, "slices", 0), size = count < 1 ? 0 : std::ssize(all) / count;
  if (count < 1 || count > 100000) throw bad_input("slice needs a number of lists");
  const int64_t longer = std::ssize(all) % count;
  const Value fill = in.get(1, "fill_with", None{});
  List lists;
  for (int64_t i = 0, at = 0; i < count; ++i) {
    const int64_t end = at + size + (i < longer ? 1 : 0);
    List part(all.begin() + at, all.begin() + end);
    if (!fill.is_none() && i >= longer && longer > 0) part.push_back(fill);
    lists.emplace_back(std::move(part));
    at = end;
  }
  return lists;
}

}  // namespace

Table list_filters() {
  return {{"length", length_of},
          {"count", length_of},
          {"list", list_of},
          {"first", end_of<true>},
          {"last", end_of<false>},
          {"reverse", reversed},
          {"join", join},
          {"items", pairs},
          {"map", map},
          {"select", select<true, false>},
          {"reject", select<false, false>},
          {"selectattr", select<true, true>},
          {"rejectattr", select<false, true>},
          {"sort", sorted},
          {"dictsort", sorted_pairs},
          {"min", extreme<true>},
          {"max", extreme<false>},
          {"unique", unique},
          {"groupby", grouped},
          {"sum", sum},
          {"batch", batched},
          {"slice", sliced}};
}

}  // namespace mop::jinja
