// text/expansion.h -- limits how much the parts of a tokenizer may lengthen a text.
#pragma once
#include <cstddef>

namespace mop {

/// Throws Error(kBadInput) when a text grew from `before` to `after` bytes, far beyond the factor
/// 18 of Unicode normalisation. A file can chain any number of replacements, whose output grows
/// without bound.
void check_expansion(size_t before, size_t after);

}  // namespace mop
