// text/encode_beginning.h -- the first tokens of a text, at a cost that does not grow with the
// rest.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace mop {

/// The first `longest` ids of `tokenizer.encode(text, special)`, all when that is 0. Of a text that
/// is much longer only a beginning is encoded: a line of 20 MB takes gigabytes otherwise.
std::vector<int64_t> encode_beginning(const Tokenizer& tokenizer, std::string_view text,
                                      Special special, int64_t longest);

}  // namespace mop
