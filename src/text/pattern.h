// text/pattern.h -- a search pattern of a normalizer, pre-tokenizer or decoder: a literal or a
// regex.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Byte range [begin, end) of a text.
struct Span {
  size_t begin;
  size_t end;
};

/// Immutable, cheap to copy and thread-safe.
class Pattern {
 public:
  /// A regex in the syntax of the reference tokenizers (Oniguruma), run by PCRE2 with Oniguruma's
  /// `\s`, `\w`, `\h`, `^` and `$`. Throws Error(kBadInput) when it does not compile.
  static Pattern regex(std::string_view expression);
  static Pattern literal(std::string_view text);

  /// Returns all matches from left to right, without overlap. A regex may match empty, but not
  /// directly after another match and not in an empty text. `text` must be valid UTF-8.
  std::vector<Span> find_all(std::string_view text) const;
  /// Replaces every match by `content` literally.
  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  struct Code;
  std::string literal_;
  std::shared_ptr<const Code> code_;
};

}  // namespace mop
