// text/expansion.h -- how much longer the parts of a tokenizer may make a text.
#pragma once
#include <cstddef>

namespace mop {

/// Unicode's normal forms make at most 18 letters of one. Throws Error(kBadInput) when a text of
/// `before` bytes became one of `after`, and is far beyond that: replacements of replacements grow
/// without bound, and the file says how many there are.
void check_expansion(size_t before, size_t after);

}  // namespace mop
