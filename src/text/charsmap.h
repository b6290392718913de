// text/charsmap.h -- SentencePiece's table of replacements as a tokenizer.json holds it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Normaliser "Precompiled". The rules are those of the `tokenizers` library, which looks up
/// grapheme by grapheme, not as SentencePiece itself does.
class Charsmap {
 public:
  /// `base64` is `precompiled_charsmap`. Throws Error(kBadInput) when it is damaged.
  explicit Charsmap(std::string_view base64);
  std::string replace(std::string_view text) const;

 private:
  const char* replacement_of(std::string_view part) const;
  std::vector<uint32_t> units_;  // a double array
  std::string texts_;            // each ends with a zero
};

}  // namespace mop
