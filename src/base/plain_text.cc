// base/plain_text.cc
#include "base/plain_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace mop {
namespace {

struct Letter {
  uint32_t value = 0;
  size_t bytes = 0;  ///< 0: no UTF-8
};

Letter letter_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const size_t bytes = byte(0) < 0x80                       ? 1
                       : byte(0) >= 0xC2 && byte(0) < 0xE0  ? 2
                       : byte(0) >= 0xE0 && byte(0) < 0xF0  ? 3
                       : byte(0) >= 0xF0 && byte(0) <= 0xF4 ? 4
                                                            : 0;
  if (bytes == 0 || bytes > text.size() - at) return {};
  uint32_t value = bytes == 1 ? byte(0) : byte(0) & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  if (value < kLeast[bytes] || value > 0x10FFFF || surrogate) return {};
  return {value, bytes};
}

bool is_shown(uint32_t value) {
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
    const Letter letter = letter_at(text, at);
    if (letter.bytes == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at++]));
      continue;
    }
    if (is_shown(letter.value)) {
      out += text.substr(at, letter.bytes);
    } else {
      out += letter.value < 0x80 ? fmt::format("\\x{:02x}", letter.value)
                                 : fmt::format("\\u{:04x}", letter.value);
    }
    at += letter.bytes;
  }
  return out;
}

std::string shortened(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("{}... ({} bytes more)", text.substr(0, end), text.size() - end);
}

}  // namespace mop
