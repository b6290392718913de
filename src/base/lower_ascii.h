// base/lower_ascii.h -- names that are compared without regard to case.
#pragma once
#include <algorithm>
#include <string>

namespace mop {

/// Returns the text with A to Z as a to z; other bytes are unchanged.
inline std::string lower_ascii(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

}  // namespace mop
