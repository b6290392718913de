// text/overlap.h -- whether one text was already in another: lines compared by hashes.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// A hash of every line of `text`, in order, lines of fewer than 40 letters and digits left out:
/// they are alike by chance. Case, white space and punctuation do not count.
std::vector<uint64_t> line_hashes(std::string_view text);

/// Lines (as above) of a text, and how many of them are among known ones.
struct Overlap {
  int64_t lines = 0, shared = 0;
  double fraction() const {
    return lines == 0 ? 0. : static_cast<double>(shared) / static_cast<double>(lines);
  }
};
/// `known` in any order.
Overlap overlap(std::span<const std::string> texts, std::span<const uint64_t> known);

}  // namespace mop
