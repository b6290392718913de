// base/plain_text.h -- texts of files and servers as they may be shown: a terminal obeys control
// characters, whoever wrote them.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace mop {

/// Line feeds and tabs stay; other control characters, marks that change the direction of writing,
/// and bytes that are no UTF-8 become \x1b or \u202e.
std::string plain_text(std::string_view text);

/// At most about `bytes` bytes: the beginning, and how much more there is.
std::string shortened(std::string_view text, size_t bytes);

}  // namespace mop
