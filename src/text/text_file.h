// text/text_file.h -- reads a user's file as UTF-8 text, or explains why it is not text.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mop {

/// Returns the length of a UTF-8 byte order mark at the start: 3 or 0.
size_t utf8_mark(std::string_view content);

/// Decodes UTF-16 or UTF-32 with a byte order mark to UTF-8 without the mark; nullopt without such
/// a mark. Throws Error(kBadInput) naming the encoding and the invalid byte.
std::optional<std::string> decode_by_mark(std::string_view content);

/// Throws Error(kBadInput) when `content` is not UTF-8 text, naming the kind of file it appears to
/// be, or the line and byte offset of the error. `content` may begin with a byte order mark.
void check_is_text(std::string_view content);

/// Returns the file as UTF-8 without a byte order mark; decodes UTF-16 and UTF-32 with a mark.
/// Throws Error(kIo) when it cannot be read, Error(kBadInput) naming the file when it is not text.
std::string read_text(const std::filesystem::path& file);

}  // namespace mop
