// text/base64.h
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mop {

/// Decodes `text` (RFC 4648, padded); nullopt when it is empty or not base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace mop
