// base/shell_word.h -- words of command lines that are shown to be pasted.
#pragma once
#include <string>

namespace mop {

/// `word` as a shell reads it as one word: in single quotes where it has other letters than those
/// of plain paths.
std::string shell_word(const std::string& word);

}  // namespace mop
