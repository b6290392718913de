// eval/tasks/python_text.h -- Python's string operations that the prompts use.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mop {

/// Characters that `str.isspace` and `\s` match.
bool is_python_space(char32_t value);
/// Return the bytes of leading and of trailing white space.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);
/// `str.strip()`.
std::string strip(std::string_view text);
/// `str.replace(from, to)`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
/// `str.capitalize()`, without context-dependent rules (a final sigma).
std::string capitalize(std::string_view text);
/// `len(text)`: code points.
int64_t num_characters(std::string_view text);
/// `len(re.split(r"\s+", text))`.
int64_t num_words(std::string_view text);

}  // namespace mop
