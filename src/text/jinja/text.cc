// text/jinja/text.cc -- values as strings: Python's str, repr and json.dumps.
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "text/jinja/operations.h"
#include "text/unicode.h"

namespace mop::jinja {
namespace {

// Returns the shortest digits that round-trip: 1.0, 0.1, 1e+16, 1e-05.
std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(digits, end);
  if (plain && text.find('.') == text.npos) text += ".0";
  return text;
}

bool is_printable(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return c == ' ';
    default:
      return true;
  }
}

std::string quoted(const std::string& text) {
  Work::letters(text.size());
  const bool single = text.find('\'') == text.npos || text.find('"') != text.npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const auto number = static_cast<uint32_t>(c.value);
    if (c.value == static_cast<unsigned char>(quote) || c.value == '\\') {
      out += '\\';
      out += static_cast<char>(c.value);
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out += c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c.value)) {
      out += text.substr(at, c.bytes);
    } else if (number < 0x100) {
      out += fmt::format("\\x{:02x}", number);
    } else {
      out += number < 0x10000 ? fmt::format("\\u{:04x}", number) : fmt::format("\\U{:08x}", number);
    }
    at += c.bytes;
  }
  return out + quote;
}

std::string joined(const List& list, const char* open, const char* close) {
  std::string text = open;
  for (const Value& element : list) {
    if (text.size() > 1) text += ", ";
    text += to_repr(element);
    Work::check_length(text.size());
  }
  return text + close;
}

void append_escaped(char32_t value, std::string& out) {
  const auto number = static_cast<uint32_t>(value);
  if (number < 0x10000) {
    out += fmt::format("\\u{:04x}", number);
    return;
  }
  out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((number - 0x10000) >> 10),
                     0xDC00 + ((number - 0x10000) & 0x3FF));
}

std::string json_text(const std::string& text, bool ascii) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    static constexpr std::string_view kLetters = "\"\\\n\r\t\b\f", kEscapes = "\"\\nrtbf";
    const size_t known = c.value < 128 ? kLetters.find(static_cast<char>(c.value)) : kLetters.npos;
    if (known != kLetters.npos) {
      out += '\\';
      out += kEscapes[known];
    } else if (c.value < 0x20 || (ascii && c.value > 0x7E)) {
      append_escaped(c.value, out);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out + '"';
}

std::string json_key(const Value& key, const JsonStyle& style) {
  if (key.is_text()) return json_text(key.text(""), style.ascii);
  if (key.is_number() || key.is_none()) return '"' + dump(key, style) + '"';
  throw bad_input("{} cannot be a key in JSON", key.type());
}

// Returns {"[", parts, "]"}, with each part on its own line when the style is pretty.
std::string json_parts(char open, const std::vector<std::string>& parts, char close,
                       const JsonStyle& style, const std::string& margin) {
  std::string text(1, open);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += style.item_separator;
    if (style.pretty) text += margin + style.indent;
    text += parts[i];
  }
  if (style.pretty && !parts.empty()) text += margin;
  return text + close;
}

}  // namespace

std::string to_text(const Value& value) {
  if (value.is_undefined()) return "";
  const auto* text = value.as<std::string>();
  if (text == nullptr) return to_repr(value);
  Work::look_at(text->size());
  return *text;
}

std::string to_repr(const Value& value) {
  Work::steps(1);
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (const auto* truth = value.as<bool>()) return *truth ? "True" : "False";
  if (const auto* number = value.as<int64_t>()) return std::to_string(*number);
  if (const auto* number = value.as<double>()) return real_text(*number);
  if (const auto* text = value.as<std::string>()) return quoted(*text);
  if (const List* list = value.list()) {
    if (!value.is_tuple()) return joined(*list, "[", "]");
    return joined(*list, "(", list->size() == 1 ? ",)" : ")");
  }
  if (const Dict* dict = value.dict()) {
    std::string text = "{";
    for (const auto& [key, inner] : dict->items()) {
      if (text.size() > 1) text += ", ";
      text += to_repr(key) + ": " + to_repr(inner);
      Work::check_length(text.size());
    }
    return text + "}";
  }
  throw bad_input("{} cannot be written as a text", value.type());
}

std::string dump(const Value& value, const JsonStyle& style, const std::string& margin) {
  Work::steps(1);
  const std::string inner_margin = margin + style.indent;
  std::vector<std::string> parts;
  size_t bytes = 0;
  const auto add = [&](std::string part) {
    bytes += inner_margin.size() + style.item_separator.size() + part.size();
    Work::check_length(bytes);
    parts.push_back(std::move(part));
  };
  if (const List* list = value.list()) {
    for (const Value& element : *list) add(dump(element, style, inner_margin));
    return json_parts('[', parts, ']', style, margin);
  }
  if (const Dict* dict = value.dict()) {
    auto items = dict->items();
    if (style.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](const auto& a, const auto& b) { return less(a.first, b.first); });
    }
    for (const auto& [key, inner] : items) {
      add(json_key(key, style) + style.key_separator + dump(inner, style, inner_margin));
    }
    return json_parts('{', parts, '}', style, margin);
  }
  if (value.is_text()) return json_text(value.text(""), style.ascii);
  if (value.is_none()) return "null";
  if (const auto* truth = value.as<bool>()) return *truth ? "true" : "false";
  if (const auto* number = value.as<double>(); number != nullptr && !std::isfinite(*number))
    return std::isnan(*number) ? "NaN" : *number < 0 ? "-Infinity" : "Infinity";
  if (value.is_number()) return to_repr(value);
  throw bad_input("{} cannot be written as JSON", value.type());
}

}  // namespace mop::jinja
