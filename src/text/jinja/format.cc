// text/jinja/format.cc -- `format % values` and `format.format(..)`.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/letters.h"
#include "text/jinja/operations.h"

namespace mop::jinja {
namespace {

/// The format of one value.
struct Style {
  char side = 0;  // '<', '>', '^', '=' (after the sign); 0 = by type
  std::string fill = " ";
  char sign = '-';
  bool alternate = false, grouped = false;
  int64_t width = 0, precision = -1;
  char type = 0;
};

int64_t read_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = std::min<int64_t>(number * 10 + (text[at] - '0'), 1 << 20);
  }
  return number;
}

std::string in_base(uint64_t value, unsigned base, bool capitals) {
  std::string digits;
  do {
    digits += (capitals ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    value /= base;
  } while (value > 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string whole_digits(uint64_t size, const Style& style) {
  switch (style.type) {
    case 'x':
    case 'X':
      return (style.alternate ? std::string("0") + style.type : "") +
             in_base(size, 16, style.type == 'X');
    case 'o':
      return (style.alternate ? "0o" : "") + in_base(size, 8, false);
    case 'b':
      return (style.alternate ? "0b" : "") + in_base(size, 2, false);
    default:
      return std::to_string(size);
  }
}

std::string real_digits(double size, const Style& style) {
  if (!std::isfinite(size)) return std::isnan(size) ? "nan" : "inf";
  const int precision =
      static_cast<int>(style.precision < 0 ? 6 : std::min<int64_t>(style.precision, 400));
  switch (style.type) {
    case 'e':
      return fmt::format("{:.{}e}", size, precision);
    case 'E':
      return fmt::format("{:.{}E}", size, precision);
    case 'g':
      return fmt::format("{:.{}g}", size, precision);
    case 'G':
      return fmt::format("{:.{}G}", size, precision);
    case '%':
      return fmt::format("{:.{}f}%", size * 100, precision);
    case 0:
      return style.precision < 0 ? to_repr(size) : fmt::format("{:.{}g}", size, precision);
    default:
      return fmt::format("{:.{}f}", size, precision);
  }
}

void group(std::string& digits) {
  const size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (size_t at = end; at > 3; at -= 3) digits.insert(at - 3, ",");
}

bool is_real_type(char type) {
  return type != 0 && std::string_view("eEfFgG%").find(type) != std::string_view::npos;
}

std::string number_text(const Value& value, const Style& style) {
  const bool real = value.is_real() || is_real_type(style.type);
  std::string digits;
  bool negative = false;
  if (real) {
    const double number = value.real("a number's format");
    negative = std::signbit(number) && !std::isnan(number);
    digits = real_digits(std::abs(number), style);
  } else {
    const int64_t number = value.integer("a number's format");
    negative = number < 0;
    digits = whole_digits(
        negative ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number), style);
  }
  if (style.grouped) group(digits);
  const std::string sign = negative ? "-" : style.sign == '-' ? "" : std::string(1, style.sign);
  if (style.side != '=')
    return padded(sign + digits, style.width, style.side == 0 ? '>' : style.side, style.fill);
  return sign + padded(digits, style.width - std::ssize(sign), '>', style.fill);
}

std::string text_with(const std::string& text, const Style& style) {
  std::string cut;
  const auto letters = letters_of(text);
  const size_t kept = style.precision < 0 ? letters.size() : static_cast<size_t>(style.precision);
  for (size_t i = 0; i < std::min(kept, letters.size()); ++i) cut += letters[i];
  return padded(cut, style.width, style.side == 0 || style.side == '=' ? '<' : style.side,
                style.fill);
}

// "%(name)-5.2f": parses the part after the percent sign.
struct PercentField {
  Style style;
  bool named = false, star = false;
  std::string name;
};

PercentField read_percent(std::string_view format, size_t& at) {
  PercentField field;
  if (at < format.size() && format[at] == '(') {
    const size_t end = format.find(')', at);
    if (end == format.npos) throw bad_input("a format's key is not closed");
    field.named = true;
    field.name = format.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  bool zero = false;
  field.style.side = '>';
  for (; at < format.size() && std::string_view("-+ #0").find(format[at]) != std::string_view::npos;
       ++at) {
    if (format[at] == '-') field.style.side = '<';
    if (format[at] == '+' || (format[at] == ' ' && field.style.sign != '+'))
      field.style.sign = format[at];
    if (format[at] == '#') field.style.alternate = true;
    zero = zero || format[at] == '0';
  }
  field.style.width = read_number(format, at);
  if (at < format.size() && format[at] == '.') field.style.precision = read_number(format, ++at);
  while (at < format.size() && std::string_view("hlL").find(format[at]) != std::string_view::npos)
    ++at;
  if (at == format.size()) throw bad_input("a format ends behind '%'");
  field.style.type = format[at++];
  if (zero && field.style.side == '>' && field.style.type != 's' && field.style.type != 'r') {
    field.style.side = '=';
    field.style.fill = "0";
  }
  return field;
}

Value whole_part(double number) {
  if (std::isfinite(number) && std::abs(number) < 9.2e18) return static_cast<int64_t>(number);
  throw bad_input("{} is no whole number of 63 bits", number);
}

std::string percent_text(const Value& value, Style style) {
  switch (style.type) {
    case 's':
      return text_with(to_text(value), style);
    case 'r':
    case 'a':
      return text_with(to_repr(value), style);
    case 'c':
      return text_with(to_text(value), style);
    case 'd':
    case 'i':
    case 'u':
      style.type = 'd';
      return number_text(value.is_real() ? whole_part(value.real("")) : value, style);
    case 'x':
    case 'X':
    case 'o':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      return number_text(value, style);
    default:
      throw bad_input("a format has no '%{}'", style.type);
  }
}

// [[fill]align][sign][#][0][width][,][.precision][type]
Style read_style(std::string_view spec) {
  Style style;
  const auto is_side = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t at = 0;
  const auto letters = letters_of(spec);
  if (letters.size() > 1 && letters[1].size() == 1 && is_side(letters[1][0])) {
    style.fill = letters[0];
    style.side = letters[1][0];
    at = letters[0].size() + 1;
  } else if (!spec.empty() && is_side(spec[0])) {
    style.side = spec[at++];
  }
  if (at < spec.size() && (spec[at] == '+' || spec[at] == '-' || spec[at] == ' '))
    style.sign = spec[at++];
  if (at < spec.size() && spec[at] == '#') style.alternate = ++at > 0;
  if (at < spec.size() && spec[at] == '0' && style.side == 0) {
    style.side = '=';
    style.fill = "0";
  }
  style.width = read_number(spec, at);
  if (at < spec.size() && (spec[at] == ',' || spec[at] == '_')) style.grouped = ++at > 0;
  if (at < spec.size() && spec[at] == '.') style.precision = read_number(spec, ++at);
  if (at < spec.size()) style.type = spec[at++];
  if (at != spec.size()) throw bad_input("the format '{}' is not understood", spec);
  return style;
}

std::string brace_text(const Value& value, std::string_view spec) {
  if (spec.empty()) return to_text(value);
  const Style style = read_style(spec);
  const bool as_text = value.is_text() || (value.is_boolean() && style.type == 0);
  if (!as_text && value.is_number()) return number_text(value, style);
  if (style.type != 0 && style.type != 's')
    throw bad_input("the format '{}' is not for {}", spec, value.type());
  return text_with(to_text(value), style);
}

// "0", "name", "name.member[0]"; an empty name is the next positional argument.
Value field_value(std::string_view field, const Arguments& arguments, size_t& next) {
  size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string name(field.substr(0, end));
  const bool number = name.find_first_not_of("0123456789") == name.npos;
  size_t zero = 0;
  const size_t place = name.empty() ? next++
                       : number     ? static_cast<size_t>(read_number(name, zero))
                                    : SIZE_MAX;
  const Value* found = arguments.find(place, number ? std::string_view() : std::string_view(name));
  if (found == nullptr) throw bad_input("format() has no value for '{{{}}}'", field);
  Value value = *found;
  while (end < field.size()) {
    const bool member = field[end] == '.';
    const size_t close = std::min(field.find_first_of(member ? ".[" : "]", end + 1), field.size());
    const std::string key(field.substr(end + 1, close - end - 1));
    const bool index = !member && !key.empty() && key.find_first_not_of("0123456789") == key.npos;
    size_t at = 0;
    value = member ? attribute(value, key)
                   : item(value, index ? Value(read_number(key, at)) : Value(key));
    end = member ? close : close + 1;
  }
  return value;
}

// Returns the position of the closing brace of the field that begins at `begin`.
size_t end_of_field(std::string_view format, size_t begin) {
  int depth = 0;
  for (size_t at = begin; at < format.size(); ++at) {
    if (format[at] == '{') ++depth;
    if (format[at] == '}' && depth-- == 0) return at;
  }
  throw bad_input("a format's '{{' is not closed");
}

std::string format_with(std::string_view format, const Arguments& arguments, size_t& next,
                        int depth) {
  std::string out;
  for (size_t at = 0; at < format.size(); ++at) {
    const char c = format[at];
    const bool twice = at + 1 < format.size() && format[at + 1] == c;
    if (c == '}' && !twice) throw bad_input("a format has a single '}}'");
    if ((c != '{' && c != '}') || twice) {
      out += c;
      at += (c == '{' || c == '}') ? 1 : 0;
      continue;
    }
    if (depth > 1) throw bad_input("a format's fields are nested too deep");
    const size_t end = end_of_field(format, at + 1);
    std::string_view field = format.substr(at + 1, end - at - 1), spec;
    if (const size_t colon = field.find(':'); colon != field.npos) {
      spec = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    const size_t mark = field.find('!');
    const bool repr = mark != field.npos && field.substr(mark) == "!r";
    if (mark != field.npos) field = field.substr(0, mark);
    Value value = field_value(field, arguments, next);
    if (mark != field.npos) value = repr ? to_repr(value) : to_text(value);
    out += brace_text(value, format_with(spec, arguments, next, depth + 1));
    Work::check_length(out.size());
    at = end;
  }
  return out;
}

}  // namespace

std::string percent_format(const std::string& format, const Value& values) {
  std::string out;
  size_t next = 0;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    const PercentField field = read_percent(format, ++at);
    if (field.style.type == '%') {
      out += '%';
      continue;
    }
    Value value = field.named ? item(values, field.name) : values;
    if (!field.named && values.is_tuple()) {
      if (next >= values.list()->size()) throw bad_input("a format has more fields than values");
      value = (*values.list())[next];
    }
    ++next;
    out += percent_text(value, field.style);
    Work::check_length(out.size());
  }
  if (values.is_tuple() && next < values.list()->size())
    throw bad_input("a format has fewer fields than values");
  return out;
}

std::string brace_format(const std::string& format, const Arguments& arguments) {
  size_t next = 0;
  return format_with(format, arguments, next, 0);
}

}  // namespace mop::jinja
