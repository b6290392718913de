// text/unicode.h -- UTF-8, and the Unicode properties that tokenizers use.
#pragma once
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace mop {

/// Returns the code point that ends before byte `end` > 0 of valid UTF-8.
CodePoint code_point_before(std::string_view text, size_t end);
void append_utf8(char32_t value, std::string& out);

/// Returns the length of the well-formed sequence at the start of `bytes`; 0 when it is ill-formed.
size_t well_formed_bytes(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);
/// Replaces every maximal ill-formed piece by one U+FFFD, as Python's errors='replace' and Rust's
/// from_utf8_lossy do.
std::string replace_invalid_utf8(std::string_view bytes);

/// Property White_Space, which `\s` matches in the reference tokenizers.
bool is_white_space(char32_t value);
/// Categories Nd, Nl and No.
bool is_numeric(char32_t value);
/// `\w` of Rust's regex: alphabetic, marks, decimal digits, connectors, join controls.
bool is_word(char32_t value);
/// ASCII punctuation and the categories P*.
bool is_punctuation(char32_t value);
/// Categories Mn, Mc and Me.
bool is_mark(char32_t value);

enum class NormalForm { kC, kD, kKC, kKD };
std::string to_normal_form(std::string_view text, NormalForm form);
/// Lower-cases each code point on its own (no context: a final sigma stays a sigma).
std::string to_lower_case(std::string_view text);

}  // namespace mop
