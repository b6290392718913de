// text/encode_beginning.h -- encodes the beginning of a text, at a cost independent of its length.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace mop {

/// Returns the first `longest` ids of `tokenizer.encode(text, special)`, or all when `longest` is
/// 0. Encodes only a prefix of a text that is much longer: encoding a line of 20 MB takes
/// gigabytes.
std::vector<int64_t> encode_beginning(const Tokenizer& tokenizer, std::string_view text,
                                      Special special, int64_t longest);

}  // namespace mop
