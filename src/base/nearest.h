// base/nearest.h -- suggestions for misspelt names.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace mop {

/// Returns the name in `known` closest to `word` (few characters inserted, deleted, changed or
/// swapped; upper and lower case are equal), else one that is a prefix of `word`, else one that
/// `word` abbreviates ("max-tokens" for "max-new-tokens"); empty when there is none.
std::string nearest(std::string_view word, std::span<const std::string> known);

/// Returns "did you mean 'x'?", or an empty string.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

/// Returns "word (did you mean 'x'?)", or the word without a suggestion, for lists of unknown
/// names.
std::string with_nearest(std::string_view word, std::span<const std::string> known);

}  // namespace mop
