// text/jinja/letters.h -- Python's str methods on UTF-8.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mop::jinja {

enum class Case { kNone, kLower, kUpper, kTitle };
Case case_of(char32_t letter);
bool is_letter(char32_t letter);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// Upper-cases the first character and lower-cases the others.
std::string capitalized(std::string_view text);
/// Capitalises every run of letters.
std::string title(std::string_view text);
std::string swapped_case(std::string_view text);

/// Removes code points of `letters` (nullptr = white space) from the ends.
std::string strip(std::string_view text, const std::string* letters, bool left, bool right);
/// Splits at most `limit` times (negative: no limit); `separator` nullptr = runs of white space.
std::vector<std::string> split(std::string_view text, const std::string* separator, int64_t limit,
                               bool from_right);
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);
/// Replaces the first `count` occurrences (negative: all).
std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count);
std::vector<std::string> letters_of(std::string_view text);
/// Pads to `width` code points; `side` is '<', '>' or '^' (as Python's str.center).
std::string padded(const std::string& text, int64_t width, char side, const std::string& fill);

}  // namespace mop::jinja
