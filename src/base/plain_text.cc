// base/plain_text.cc
#include "base/plain_text.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace mop {
namespace {

bool is_shown(char32_t value) {
  if (value == '\n' || value == '\t') return true;
  const bool control = value < 0x20 || (value >= 0x7F && value < 0xA0);
  const bool line_end = value == 0x2028 || value == 0x2029;
  const bool direction = value == 0x061C || value == 0x200E || value == 0x200F ||
                         (value >= 0x202A && value <= 0x202E) ||
                         (value >= 0x2066 && value <= 0x2069);
  return !control && !line_end && !direction;
}

}  // namespace

std::string plain_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (utf8_sequence(text.substr(at)) < 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at++]));
      continue;
    }
    const CodePoint letter = code_point_at(text, at);
    if (is_shown(letter.value)) {
      out += text.substr(at, letter.bytes);
    } else {
      out += letter.value < 0x80 ? fmt::format("\\x{:02x}", static_cast<uint32_t>(letter.value))
                                 : fmt::format("\\u{:04x}", static_cast<uint32_t>(letter.value));
    }
    at += letter.bytes;
  }
  return out;
}

std::string plain_block(std::string_view text) {
  std::string out;
  for (const char c : plain_text(text)) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out;
}

std::string shortened(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  size_t end = bytes;
  while (end > 0 && continues_letter(text[end])) --end;
  return fmt::format("{}... ({} bytes more)", text.substr(0, end), text.size() - end);
}

}  // namespace mop
