// text/byte_alphabet.h -- GPT-2's printable stand-in for each byte, in which byte-level
// vocabularies are written.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mop {

/// Every byte replaced by its stand-in character.
std::string to_byte_alphabet(std::string_view bytes);
/// The way back; nothing when a character is no stand-in.
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace mop
