// text/overlap.h -- detects how much of a text occurs in another, by hashes of lines.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Returns a hash of each line of `text`, in order. Omits lines with fewer than 40 letters and
/// digits, which match by chance. Ignores case, white space and punctuation.
std::vector<uint64_t> line_hashes(std::string_view text);

/// Number of lines (as above), and of those that occur in the known text.
struct Overlap {
  int64_t lines = 0, shared = 0;
  double fraction() const {
    return lines == 0 ? 0. : static_cast<double>(shared) / static_cast<double>(lines);
  }
};
/// `known` in any order.
Overlap overlap(std::span<const std::string> texts, std::span<const uint64_t> known);

}  // namespace mop
