// text/pattern.h -- what a normalizer, pre-tokenizer or decoder searches for: a literal or a regex.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Bytes [begin, end) of a text.
struct Span {
  size_t begin;
  size_t end;
};

/// Immutable and cheap to copy; safe to use from several threads at once.
class Pattern {
 public:
  /// A regex in the syntax of the reference tokenizers (Oniguruma), run by PCRE2 with `\s`, `\w`,
  /// `\h`, `^` and `$` as that defines them. Throws Error(kBadInput) when it does not compile.
  static Pattern regex(std::string_view expression);
  static Pattern literal(std::string_view text);

  /// Every match from left to right, without overlap; a regex may match empty, though not right
  /// behind another match and not in an empty text. `text` is valid UTF-8.
  std::vector<Span> find_all(std::string_view text) const;
  /// Every match replaced by `content` as it stands.
  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  struct Code;
  std::string literal_;
  std::shared_ptr<const Code> code_;
};

}  // namespace mop
