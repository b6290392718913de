// text/byte_alphabet.h -- GPT-2's mapping of bytes to printable characters, used in byte-level
// vocabularies.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mop {

/// Replaces every byte by its character.
std::string to_byte_alphabet(std::string_view bytes);
/// The inverse; nullopt when a character is not in the alphabet.
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace mop
