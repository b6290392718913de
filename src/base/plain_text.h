// base/plain_text.h -- makes text from files and servers safe to print: a terminal would obey
// control characters in it.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace mop {

/// Escapes control characters other than newline and tab, bidirectional marks and invalid UTF-8, as
/// \x1b or \u202e.
std::string plain_text(std::string_view text);

/// The same with continuation lines indented, so that quoted text cannot imitate a line of what it
/// is quoted in.
std::string plain_block(std::string_view text);

/// Truncates to about `bytes` bytes and appends how many more there are.
std::string shortened(std::string_view text, size_t bytes);

}  // namespace mop
