// text/charsmap.cc
#include "text/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "text/base64.h"
#include "text/darts_unit.h"
#include "text/expansion.h"
#include "text/unicode.h"

namespace mop {
namespace {

// Returns the end of the extended grapheme cluster that begins at `at`.
size_t end_of_grapheme(std::string_view text, size_t at) {
  utf8proc_int32_t state = 0;
  CodePoint before = code_point_at(text, at);
  for (at += before.bytes; at < text.size(); at += before.bytes) {
    const CodePoint next = code_point_at(text, at);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before.value),
                                         static_cast<utf8proc_int32_t>(next.value), &state))
      break;
    before = next;
  }
  return at;
}

}  // namespace

Charsmap::Charsmap(std::string_view base64) {
  const std::optional<std::string> decoded = from_base64(base64);
  if (!decoded) throw bad_input("`precompiled_charsmap` is not base64");
  const std::string& bytes = *decoded;
  uint32_t size = 0;
  if (bytes.size() >= sizeof size) std::memcpy(&size, bytes.data(), sizeof size);
  if (size == 0 || size % sizeof size != 0 || size > bytes.size() - sizeof size)
    throw bad_input("`precompiled_charsmap` is damaged: a table of {} bytes in {}", size,
                    bytes.size());
  units_.resize(size / sizeof size);
  std::memcpy(units_.data(), bytes.data() + sizeof size, size);
  texts_ = bytes.substr(sizeof size + size);
  if (!is_valid_utf8(texts_)) throw bad_input("`precompiled_charsmap` is damaged: not UTF-8");
}

// Returns the replacement of the shortest prefix of `part` that has one; nullptr when none has.
// The texts are UTF-8, so each that does not begin inside a letter is.
const char* Charsmap::replacement_of(std::string_view part) const {
  uint32_t at = offset_of(units_[0]);
  for (const char byte : part) {
    if (byte == '\0') return nullptr;
    at ^= static_cast<unsigned char>(byte);
    if (at >= units_.size() || label_of(units_[at]) != static_cast<unsigned char>(byte))
      return nullptr;
    const bool leaf = has_leaf(units_[at]);
    at ^= offset_of(units_[at]);
    if (!leaf) continue;
    const uint32_t text = at < units_.size() ? value_of(units_[at]) : UINT32_MAX;
    if (text >= texts_.size() || continues_letter(texts_[text]))
      throw bad_input("`precompiled_charsmap` is damaged: {} is no text's offset", text);
    return texts_.c_str() + text;
  }
  return nullptr;
}

std::string Charsmap::replace(std::string_view text) const {
  constexpr size_t kLongestLookedUp = 5;  // bytes of a grapheme
  std::string out;
  const auto add = [&](std::string_view part) {
    const char* found = replacement_of(part);
    out += found == nullptr ? part : std::string_view(found);
    check_expansion(text.size(), out.size());
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = end_of_grapheme(text, at);
    const std::string_view grapheme = text.substr(at, end - at);
    const char* whole = grapheme.size() <= kLongestLookedUp ? replacement_of(grapheme) : nullptr;
    if (whole != nullptr) {
      out += whole;
      check_expansion(text.size(), out.size());
    } else {
      for (size_t c = 0; c < grapheme.size();) {
        const size_t bytes = code_point_at(grapheme, c).bytes;
        add(grapheme.substr(c, bytes));
        c += bytes;
      }
    }
    at = end;
  }
  return out;
}

}  // namespace mop
