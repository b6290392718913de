// text/added_tokens.h -- tokens that are found in the text before anything else looks at it.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

struct AddedToken {
  std::string content;
  int64_t id = -1;           ///< -1: the vocabulary's id of `content`, or the next free one
  bool special = false;      ///< left out by decode(skip_special)
  bool normalized = false;   ///< searched for in the normalised text
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space behind it along
  bool single_word = false;  ///< not found inside a word
};

/// A stretch of text, or one added token (then `token` is set).
struct Segment {
  size_t begin;  ///< bytes of the text
  size_t end;
  const AddedToken* token;
};

/// Finds added tokens: leftmost first, the longest of those that start at one place.
class AddedTokenFinder {
 public:
  /// `spelling(token)` is what stands in the text for it; tokens must outlive the finder.
  AddedTokenFinder(const std::vector<AddedToken>& tokens,
                   const std::function<bool(const AddedToken&)>& wanted,
                   const std::function<std::string(const AddedToken&)>& spelling);
  /// The whole text in order; empty stretches are left out.
  std::vector<Segment> split(std::string_view text) const;

 private:
  struct Entry {
    std::string spelling;
    const AddedToken* token;
  };
  const Entry* match_at(std::string_view text, size_t at) const;
  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
  std::string first_bytes_;
};

}  // namespace mop
