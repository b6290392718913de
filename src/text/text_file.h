// text/text_file.h -- a user's file as UTF-8 text, or the reason why it is none.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mop {

/// Bytes of the byte order mark at the start of UTF-8 text: 3 or 0.
size_t utf8_mark(std::string_view content);

/// What the byte order mark of UTF-16 or UTF-32 announces, as UTF-8 without the mark; nullopt when
/// there is none. Throws Error(kBadInput) naming the encoding and the byte where it is broken.
std::optional<std::string> decode_by_mark(std::string_view content);

/// Throws Error(kBadInput) when `content` is not UTF-8 text: what kind of file it seems to be, or
/// the line and the byte offset of what is ill-formed. `content` may begin with a byte order mark.
void check_is_text(std::string_view content);

/// The file's text: UTF-8, without a byte order mark, decoded where the mark says UTF-16 or UTF-32.
/// Throws Error(kIo) when it cannot be read, Error(kBadInput) naming the file when it is not text.
std::string read_text(const std::filesystem::path& file);

}  // namespace mop
