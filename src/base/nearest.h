// base/nearest.h -- what a misspelt name was meant to be.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace mop {

/// The one of `known` that `word` is a slip of (by letters added, dropped, changed or swapped), or
/// a longer name for; empty when there is none.
std::string nearest(std::string_view word, std::span<const std::string> known);

/// "did you mean 'x'?", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

/// "word (did you mean 'x'?)", or the word alone: an item of a list of unknown names.
std::string with_nearest(std::string_view word, std::span<const std::string> known);

}  // namespace mop
