// text/charsmap.h -- SentencePiece's replacement table as stored in a tokenizer.json.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Normalizer "Precompiled". Looks up one grapheme at a time, as the `tokenizers` library does;
/// SentencePiece itself does not.
class Charsmap {
 public:
  /// `base64` is the value of `precompiled_charsmap`. Throws Error(kBadInput) when it is damaged.
  explicit Charsmap(std::string_view base64);
  std::string replace(std::string_view text) const;

 private:
  const char* replacement_of(std::string_view part) const;
  std::vector<uint32_t> units_;  // a double array
  std::string texts_;            // zero-terminated strings
};

}  // namespace mop
