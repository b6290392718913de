// eval/tasks/python_text.h -- the few text operations of Python that the prompts were defined with.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mop {

/// What `str.isspace` and `\s` mean.
bool is_python_space(char32_t value);
/// Bytes of the white space that `text` starts with, and ends with.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);
/// `str.strip()`.
std::string strip(std::string_view text);
/// `str.replace(from, to)`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
/// `str.capitalize()`, without the rules that look at neighbours (a final sigma).
std::string capitalize(std::string_view text);
/// `len(text)`: code points.
int64_t num_characters(std::string_view text);
/// `len(re.split(r"\s+", text))`.
int64_t num_words(std::string_view text);

}  // namespace mop
