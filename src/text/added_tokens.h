// text/added_tokens.h -- finds added tokens in a text before it is normalised and split.
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
  int64_t id = -1;           ///< -1: the id of `content` in the vocabulary, or the next free one
  bool special = false;      ///< omitted by decode(skip_special)
  bool normalized = false;   ///< searched for in the normalised text
  bool lstrip = false;       ///< includes the white space before it
  bool rstrip = false;       ///< includes the white space after it
  bool single_word = false;  ///< not matched inside a word
};

/// A stretch of text, or one added token when `token` is set.
struct Segment {
  size_t begin;  ///< byte range in the text
  size_t end;
  const AddedToken* token;
};

/// Finds added tokens: leftmost first; of those that start at the same byte, the longest.
class AddedTokenFinder {
 public:
  /// Searches for spelling(token) of each token that `wanted` accepts. The tokens must outlive the
  /// finder.
  AddedTokenFinder(const std::vector<AddedToken>& tokens,
                   const std::function<bool(const AddedToken&)>& wanted,
                   const std::function<std::string(const AddedToken&)>& spelling);
  /// Splits the whole text, in order; omits empty stretches.
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
