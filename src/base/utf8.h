// base/utf8.h
#pragma once
#include <cstddef>
#include <string_view>

namespace mop {

/// A code point and its length in bytes.
struct CodePoint {
  char32_t value;
  size_t bytes;
};

/// Whether a byte of UTF-8 is not the first of its letter.
inline bool continues_letter(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// Returns the code point at byte `at` of valid UTF-8. Of a letter cut off by the end of the text
/// only the bytes that are there are read and counted.
CodePoint code_point_at(std::string_view text, size_t at);

/// Returns the length of the well-formed sequence at the start of `bytes`, or minus the length of
/// the ill-formed piece that one U+FFFD replaces (Unicode 15, table 3-7).
int utf8_sequence(std::string_view bytes);

}  // namespace mop
