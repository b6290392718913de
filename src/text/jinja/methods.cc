// text/jinja/methods.cc -- the methods of strings, mappings, lists and numbers: one table per type.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/letters.h"
#include "text/jinja/operations.h"
#include "text/jinja/tables.h"
#include "text/unicode.h"

namespace mop::jinja {
namespace {

List texts(const std::vector<std::string>& parts) { return {parts.begin(), parts.end()}; }

// Returns the string argument at `place`; nullptr when it is absent or none.
const std::string* optional_text(const Arguments& in, size_t place, std::string_view name) {
  const Value* value = in.find(place, name);
  return value == nullptr || value->is_none() ? nullptr : &value->text(name);
}

const std::string& needed_text(const Arguments& in, size_t place, std::string_view name) {
  const Value* value = in.find(place, name);
  if (value == nullptr) throw bad_input("a method of a text needs `{}`", name);
  return value->text(name);
}

template <bool kLeft, bool kRight>
Value stripped(const Value& value, const Arguments& in) {
  return strip(value.text("strip"), optional_text(in, 0, "chars"), kLeft, kRight);
}

template <std::string (*kChange)(std::string_view)>
Value changed(const Value& value, const Arguments&) {
  return kChange(value.text("a method of a text"));
}

template <bool kRight>
Value split_text(const Value& value, const Arguments& in) {
  return texts(split(value.text("split"), optional_text(in, 0, "sep"),
                     in.integer(1, "maxsplit", -1), kRight));
}

template <bool kRight>
Value partitioned(const Value& value, const Arguments& in) {
  const std::string &text = value.text("partition"), &separator = needed_text(in, 0, "sep");
  Work::search(text.size(), separator.size());
  const size_t at = kRight ? text.rfind(separator) : text.find(separator);
  if (at == text.npos) return kRight ? Value::tuple({"", "", text}) : Value::tuple({text, "", ""});
  return Value::tuple({text.substr(0, at), separator, text.substr(at + separator.size())});
}

// Returns text[start:end] for the methods that take a range.
std::string part_of(const Value& value, const Arguments& in) {
  const std::string& text = value.text("a method of a text");
  Work::look_at(text.size());
  if (in.positional.size() < 2) return text;
  return slice(value, in.positional[1], in.get(2, "end", None{}), None{}).text("");
}

template <bool kStart>
Value begins_or_ends(const Value& value, const Arguments& in) {
  const std::string text = part_of(value, in);
  if (in.positional.empty()) throw bad_input("startswith and endswith need a text");
  const auto has = [&](const Value& part) {
    const std::string& found = part.text("startswith");
    Work::steps(1);
    Work::look_at(std::min(text.size(), found.size()));
    return kStart ? text.starts_with(found) : text.ends_with(found);
  };
  const Value& wanted = in.positional[0];
  if (!wanted.is_tuple()) return has(wanted);
  return std::any_of(wanted.list()->begin(), wanted.list()->end(), has);
}

template <bool kRight, bool kMust>
Value found(const Value& value, const Arguments& in) {
  const std::string text = part_of(value, in);
  const std::string& wanted = needed_text(in, 0, "sub");
  Work::search(text.size(), wanted.size());
  const size_t at = kRight ? text.rfind(wanted) : text.find(wanted);
  if (at == text.npos) {
    if (kMust) throw bad_input("'{}' is not in the text", wanted);
    return -1;
  }
  const int64_t start = in.positional.size() < 2 || in.positional[1].is_none()
                            ? 0
                            : in.positional[1].integer("start");
  const int64_t whole = length(value);
  const int64_t skipped = start < 0 ? std::max<int64_t>(whole + start, 0) : std::min(start, whole);
  return skipped + length(text.substr(0, at));
}

Value count_text(const Value& value, const Arguments& in) {
  const std::string text = part_of(value, in);
  const std::string& wanted = needed_text(in, 0, "sub");
  if (wanted.empty()) return length(text) + 1;
  Work::search(text.size(), wanted.size());
  int64_t count = 0;
  for (size_t at = 0; (at = text.find(wanted, at)) != text.npos; at += wanted.size()) ++count;
  return count;
}

Value replace(const Value& value, const Arguments& in) {
  return replaced(value.text("replace"), needed_text(in, 0, "old"), needed_text(in, 1, "new"),
                  in.integer(2, "count", -1));
}

template <bool kStart>
Value removed(const Value& value, const Arguments& in) {
  const std::string &text = value.text(""), &part = needed_text(in, 0, "prefix");
  if (kStart) return text.starts_with(part) ? text.substr(part.size()) : text;
  return text.ends_with(part) ? text.substr(0, text.size() - part.size()) : text;
}

template <char kSide>
Value padded_text(const Value& value, const Arguments& in) {
  return padded(value.text(""), in.integer(0, "width", 0), kSide, in.text(1, "fillchar", " "));
}

Value zero_filled(const Value& value, const Arguments& in) {
  std::string text = value.text("");
  std::string sign;
  if (text.starts_with('-') || text.starts_with('+')) {
    sign = text[0];
    text.erase(0, 1);
  }
  return sign +
         padded(text, std::max<int64_t>(in.integer(0, "width", 0), 1) - std::ssize(sign), '>', "0");
}

Value joined(const Value& value, const Arguments& in) {
  if (in.positional.size() != 1) throw bad_input("join needs a list");
  std::string text;
  bool first = true;
  for (const Value& element : elements(in.positional[0])) {
    if (!first) text += value.text("");
    first = false;
    text += element.text("join");
    Work::check_length(text.size());
  }
  return text;
}

Value lines(const Value& value, const Arguments& in) {
  return texts(split_lines(value.text(""), in.flag(0, "keepends")));
}

// Returns whether the text is not empty and all its code points satisfy the check.
template <typename Check>
Function all_are(Check check) {
  return [check](const Value& value, const Arguments&) {
    const std::string& text = value.text("");
    Work::letters(text.size());
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      if (!check(c.value)) return Value(false);
      at += c.bytes;
    }
    return Value(!text.empty());
  };
}

// Returns whether the text has letters of the wanted case and none of the other.
template <Case kWanted, Case kOther>
Value is_case(const Value& value, const Arguments&) {
  bool any = false;
  for (const std::string& letter : letters_of(value.text(""))) {
    const Case found = case_of(code_point_at(letter, 0).value);
    if (found == kOther || found == Case::kTitle) return false;
    any = any || found == kWanted;
  }
  return any;
}

bool is_digit_letter(char32_t c) { return is_numeric(c) && is_word(c); }

const Table& text_methods() {
  static const Table table = {
      {"strip", stripped<true, true>},
      {"lstrip", stripped<true, false>},
      {"rstrip", stripped<false, true>},
      {"startswith", begins_or_ends<true>},
      {"endswith", begins_or_ends<false>},
      {"split", split_text<false>},
      {"rsplit", split_text<true>},
      {"splitlines", lines},
      {"partition", partitioned<false>},
      {"rpartition", partitioned<true>},
      {"replace", replace},
      {"removeprefix", removed<true>},
      {"removesuffix", removed<false>},
      {"find", found<false, false>},
      {"rfind", found<true, false>},
      {"index", found<false, true>},
      {"rindex", found<true, true>},
      {"count", count_text},
      {"join", joined},
      {"lower", changed<lower>},
      {"casefold", changed<lower>},
      {"upper", changed<upper>},
      {"title", changed<title>},
      {"capitalize", changed<capitalized>},
      {"swapcase", changed<swapped_case>},
      {"center", padded_text<'^'>},
      {"ljust", padded_text<'<'>},
      {"rjust", padded_text<'>'>},
      {"zfill", zero_filled},
      {"format", [](const Value& v, const Arguments& in) { return brace_format(v.text(""), in); }},
      {"isalpha", all_are(is_letter)},
      {"isalnum", all_are([](char32_t c) { return is_letter(c) || is_numeric(c); })},
      {"isdigit", all_are(is_digit_letter)},
      {"isdecimal", all_are(is_digit_letter)},
      {"isnumeric", all_are(is_numeric)},
      {"isspace", all_are(is_white_space)},
      {"isascii",
       [](const Value& v, const Arguments&) {
         const std::string& text = v.text("");
         Work::look_at(text.size());
         return Value(std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; }));
       }},
      {"islower", is_case<Case::kLower, Case::kUpper>},
      {"isupper", is_case<Case::kUpper, Case::kLower>}};
  return table;
}

Value get(const Value& value, const Arguments& in) {
  if (in.positional.empty()) throw bad_input("get needs a key");
  const Value* found = value.dict()->find(in.positional[0]);
  return found != nullptr ? *found : in.get(1, "default", None{});
}

enum class Part { kKeys, kValues, kItems };

template <Part kPart>
Value parts(const Value& value, const Arguments&) {
  List list;
  for (const auto& [key, inner] : value.dict()->items()) {
    list.push_back(kPart == Part::kKeys     ? key
                   : kPart == Part::kValues ? inner
                                            : Value::tuple({key, inner}));
  }
  return list;
}

Value same(const Value& value, const Arguments&) { return value; }

const Table& dict_methods() {
  static const Table table = {{"get", get},
                              {"keys", parts<Part::kKeys>},
                              {"values", parts<Part::kValues>},
                              {"items", parts<Part::kItems>},
                              {"copy", same}};
  return table;
}

Value count_element(const Value& value, const Arguments& in) {
  const Value wanted = in.get(0, "value", Undefined{});
  return std::count_if(value.list()->begin(), value.list()->end(),
                       [&](const Value& element) { return equal(element, wanted); });
}

Value index_of(const Value& value, const Arguments& in) {
  const Value wanted = in.get(0, "value", Undefined{});
  const List& list = *value.list();
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const Value& element) { return equal(element, wanted); });
  if (found == list.end()) throw bad_input("{} is not in the list", to_repr(wanted));
  return found - list.begin();
}

const Table& list_methods() {
  static const Table table = {{"count", count_element}, {"index", index_of}, {"copy", same}};
  return table;
}

const Table& number_methods() {
  static const Table table = {{"is_integer", [](const Value& v, const Arguments&) {
                                 return Value(v.real("is_integer") ==
                                              std::floor(v.real("is_integer")));
                               }}};
  return table;
}

const Table* methods_of(const Value& value) {
  if (value.is_text()) return &text_methods();
  if (value.dict() != nullptr) return &dict_methods();
  if (value.list() != nullptr) return &list_methods();
  return value.is_number() ? &number_methods() : nullptr;
}

}  // namespace

const Function* find_method(const Value& value, const std::string& name) {
  const Table* table = methods_of(value);
  if (table == nullptr) return nullptr;
  const auto row = table->find(name);
  return row == table->end() ? nullptr : &row->second;
}

bool changes_its_value(const Value& value, const std::string& name) {
  static constexpr std::string_view kOfLists[] = {"append", "clear",  "extend",  "insert",
                                                  "pop",    "remove", "reverse", "sort"};
  static constexpr std::string_view kOfDicts[] = {"clear", "pop", "popitem", "setdefault",
                                                  "update"};
  const auto in = [&](auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (value.dict() != nullptr) return in(kOfDicts);
  return value.list() != nullptr && !value.is_tuple() && in(kOfLists);
}

}  // namespace mop::jinja
