// text/jinja/letters.h -- what Python's str methods do, on UTF-8.
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
/// The first letter in upper case, the others in lower.
std::string capitalized(std::string_view text);
/// Every run of letters capitalized.
std::string title(std::string_view text);
std::string swapped_case(std::string_view text);

/// Without the code points of `letters` (nullptr = white space) at its ends.
std::string strip(std::string_view text, const std::string* letters, bool left, bool right);
/// At most `limit` cuts, negative = all; `separator` nullptr = runs of white space.
std::vector<std::string> split(std::string_view text, const std::string* separator, int64_t limit,
                               bool from_right);
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);
/// The first `count` places (negative = all).
std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count);
std::vector<std::string> letters_of(std::string_view text);
/// Padded to `width` code points: '<', '>' or '^' (as Python's str.center).
std::string padded(const std::string& text, int64_t width, char side, const std::string& fill);

}  // namespace mop::jinja
