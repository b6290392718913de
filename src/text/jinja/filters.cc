// text/jinja/filters.cc -- filters that map one value to one value.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "text/jinja/letters.h"
#include "text/jinja/list_filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/tables.h"
#include "text/unicode.h"

namespace mop::jinja {
namespace {

template <std::string (*kChange)(std::string_view)>
Value changed(const Value& value, const Arguments&) {
  return kChange(to_text(value));
}

Value trim(const Value& value, const Arguments& in) {
  const Value* letters = in.find(0, "chars");
  const bool given = letters != nullptr && !letters->is_none();
  return strip(to_text(value), given ? &letters->text("trim") : nullptr, true, true);
}

// Unlike str.title, a word begins after white space and -({[<.
std::string title_words(std::string_view text) {
  std::string out;
  bool begins = true;
  for (const std::string& letter : letters_of(text)) {
    out += begins ? upper(letter) : lower(letter);
    begins = letter.size() == 1
                 ? std::string_view("-({[<").find(letter) != std::string_view::npos ||
                       is_white_space(static_cast<unsigned char>(letter[0]))
                 : is_white_space(code_point_at(letter, 0).value);
  }
  return out;
}

Value replace(const Value& value, const Arguments& in) {
  return replaced(to_text(value), to_text(in.get(0, "old", "")), to_text(in.get(1, "new", "")),
                  in.integer(2, "count", -1));
}

Value fallback(const Value& value, const Arguments& in) {
  const bool take = value.is_undefined() || (in.flag(1, "boolean") && !is_true(value));
  return take ? in.get(0, "default_value", "") : value;
}

Value to_json_text(const Value& value, const Arguments& in) {
  JsonStyle style;
  style.ascii = in.flag(0, "ensure_ascii");
  style.sort_keys = in.flag(3, "sort_keys");
  const Value indent = in.get(1, "indent", None{});
  if (!indent.is_none()) {
    style.pretty = true;
    style.item_separator = ",";
    // Every level stands one indent further in than the one around it.
    constexpr int64_t kWidest = 1000;
    style.indent = indent.is_text() ? indent.text("")
                                    : std::string(static_cast<size_t>(std::clamp<int64_t>(
                                                      indent.integer("tojson"), 0, kWidest)),
                                                  ' ');
    if (std::ssize(style.indent) > kWidest)
      throw bad_input("tojson is to indent by more than {} bytes", kWidest);
  }
  const Value separators = in.get(2, "separators", None{});
  if (const List* list = separators.list(); list != nullptr && list->size() == 2) {
    style.item_separator = (*list)[0].text("tojson");
    style.key_separator = (*list)[1].text("tojson");
  }
  return dump(value, style);
}

std::string without_underscores(std::string text) {
  Work::letters(text.size());
  std::erase(text, '_');
  return strip(text, nullptr, true, true);
}

// Parses the whole text as an integer; none when it is not one.
Value parsed_integer(const std::string& text, int64_t base) {
  if (base < 2 || base > 36) throw bad_input("int knows bases from 2 to 36, not {}", base);
  std::string digits = without_underscores(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  if (digits.starts_with('-')) return None{};  // of two signs from_chars reads the second
  const bool prefixed =
      digits.size() > 2 && digits[0] == '0' &&
      ((base == 16 && (digits[1] | 32) == 'x') || (base == 8 && (digits[1] | 32) == 'o') ||
       (base == 2 && (digits[1] | 32) == 'b'));
  if (prefixed) digits.erase(0, 2);
  int64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, number, static_cast<int>(base));
  if (digits.empty() || result.ec != std::errc() || result.ptr != end) return None{};
  return negative ? -number : number;
}

Value parsed_real(const std::string& text) {
  std::string digits = without_underscores(text);
  const bool plus = digits.starts_with('+');
  if (plus) digits.erase(0, 1);
  if (plus && digits.starts_with('-')) return None{};
  double number = 0;
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, number);
  if (digits.empty() || result.ec != std::errc() || result.ptr != end) return None{};
  return number;
}

Value truncated(double number) {
  if (!std::isfinite(number) || std::abs(number) >= 9.2e18) return None{};
  return static_cast<int64_t>(number);
}

Value to_integer(const Value& value, const Arguments& in) {
  Value number = None{};
  if (value.is_text()) {
    number = parsed_integer(value.text(""), in.integer(1, "base", 10));
    if (number.is_none()) number = parsed_real(value.text(""));
  } else if (value.is_number()) {
    number = value;
  } else if (value.is_undefined()) {
    throw bad_input("{} is no number", value.type());
  }
  if (number.is_boolean()) return number.integer("");
  if (number.is_real()) number = truncated(number.real(""));
  return number.is_none() ? in.get(0, "default", 0) : number;
}

Value to_real(const Value& value, const Arguments& in) {
  if (value.is_undefined()) throw bad_input("{} is no number", value.type());
  Value number = value.is_text() ? parsed_real(value.text("")) : value;
  if (number.is_number()) return number.real("");
  return in.get(0, "default", 0.0);
}

Value absolute(const Value& value, const Arguments&) {
  if (value.is_real()) return std::abs(value.real("abs"));
  const int64_t number = value.integer("abs");
  return number < 0 ? negative(number) : Value(number);
}

Value rounded(const Value& value, const Arguments& in) {
  const int64_t precision = in.integer(0, "precision", 0);
  const std::string method = in.text(1, "method", "common");
  if (method == "common" && !value.is_real() && precision >= 0) return value.integer("round");
  const double number = value.real("round"), scale = std::pow(10., static_cast<double>(precision));
  if (method == "ceil") return std::ceil(number * scale) / scale;
  if (method == "floor") return std::floor(number * scale) / scale;
  if (method != "common") throw bad_input("round knows common, ceil and floor, not '{}'", method);
  if (precision < 0) {
    const double tens = std::nearbyint(number * scale) / scale;
    return value.is_real() ? Value(tens) : truncated(tens);
  }
  // Decimal digits are truncated from the exact value, as in Python.
  const auto digits = static_cast<int>(std::min<int64_t>(precision, 300));
  return std::strtod(fmt::format("{:.{}f}", number, digits).c_str(), nullptr);
}

Value indent(const Value& value, const Arguments& in) {
  const Value width = in.get(0, "width", 4);
  const std::string margin =
      width.is_text() ? width.text("") : padded("", width.integer("indent"), '<', " ");
  const bool first = in.flag(1, "first"), blank = in.flag(2, "blank");
  std::string text;
  bool begins = true;
  for (const std::string& line : split_lines(value.text("indent") + "\n", false)) {
    const bool pads = begins ? first : blank || !line.empty();
    text += (begins ? "" : "\n") + (pads ? margin : "") + line;
    Work::check_length(text.size());
    begins = false;
  }
  return text;
}

Value centered(const Value& value, const Arguments& in) {
  return padded(to_text(value), in.integer(0, "width", 80), '^', " ");
}

// Truncates to `length` characters, at a word boundary unless `killwords`, and appends `end`.
Value truncate(const Value& value, const Arguments& in) {
  const std::string& text = value.text("truncate");
  const std::string end = in.text(2, "end", "...");
  const int64_t size = in.integer(0, "length", 255), tail = length(end);
  if (size < tail) throw bad_input("truncate to {} letters leaves no room for '{}'", size, end);
  if (length(text) - size <= in.integer(3, "leeway", 5)) return text;
  const std::string kept = slice(text, 0, size - tail, None{}).text("");
  if (in.flag(1, "killwords")) return kept + end;
  return kept.substr(0, kept.rfind(' ')) + end;
}

Value escaped(const Value& value, const Arguments&) {
  return value.is_safe() ? value : Value::safe(html_escaped(to_text(value)));
}

Value escaped_again(const Value& value, const Arguments&) {
  return Value::safe(html_escaped(to_text(value)));
}

std::string url_encoded_text(const std::string& text, bool in_query) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 128 && (std::isalnum(byte) != 0 ||
                                      std::string_view("_.-~").find(c) != std::string_view::npos);
    if (plain || (c == '/' && !in_query)) {
      out += c;
    } else {
      out += c == ' ' && in_query ? "+" : fmt::format("%{:02X}", static_cast<unsigned>(byte));
    }
  }
  return out;
}

Value url_encoded(const Value& value, const Arguments&) {
  if (value.dict() == nullptr) return url_encoded_text(to_text(value), false);
  std::string out;
  for (const auto& [key, inner] : value.dict()->items()) {
    out += (out.empty() ? "" : "&") + url_encoded_text(to_text(key), true) + "=" +
           url_encoded_text(to_text(inner), true);
  }
  return out;
}

// Unlike `value.name`, does not look up keys.
Value own_attribute(const Value& value, const Arguments& in) {
  const std::string name = in.text(0, "name", "");
  const bool has = value.object() != nullptr || find_method(value, name) != nullptr;
  return has ? attribute(value, name) : Value(Undefined{name});
}

Value word_count(const Value& value, const Arguments&) {
  int64_t count = 0;
  bool inside = false;
  for (const std::string& letter : letters_of(to_text(value))) {
    const bool word = is_word(code_point_at(letter, 0).value);
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return count;
}

Value formatted(const Value& value, const Arguments& in) {
  if (in.named.empty()) return percent_format(to_text(value), Value::tuple(in.positional));
  Dict dict;
  for (const auto& [name, inner] : in.named) dict.set(name, inner);
  return percent_format(to_text(value), dict);
}

const Table& filters() {
  static const Table table = [] {
    Table t = {{"abs", absolute},
               {"attr", own_attribute},
               {"capitalize", changed<capitalized>},
               {"center", centered},
               {"default", fallback},
               {"d", fallback},
               {"e", escaped},
               {"escape", escaped},
               {"forceescape", escaped_again},
               {"float", to_real},
               {"format", formatted},
               {"indent", indent},
               {"int", to_integer},
               {"lower", changed<lower>},
               {"replace", replace},
               {"round", rounded},
               {"safe", [](const Value& v, const Arguments&) { return Value::safe(to_text(v)); }},
               {"string", [](const Value& v,
                             const Arguments&) { return v.is_safe() ? v : Value(to_text(v)); }},
               {"title", changed<title_words>},
               {"tojson", to_json_text},
               {"trim", trim},
               {"truncate", truncate},
               {"upper", changed<upper>},
               {"urlencode", url_encoded},
               {"wordcount", word_count}};
    for (const auto& [name, function] : list_filters()) t[name] = function;
    return t;
  }();
  return table;
}

}  // namespace

const Function* find_filter(const std::string& name) {
  const auto row = filters().find(name);
  return row == filters().end() ? nullptr : &row->second;
}

Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments) {
  const Function* filter = find_filter(name);
  if (filter == nullptr) throw bad_input("the filter '{}' is not known", name);
  return (*filter)(value, arguments);
}

}  // namespace mop::jinja
