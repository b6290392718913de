// text/encode_beginning.cc
#include "text/encode_beginning.h"

#include <algorithm>

#include "base/utf8.h"

namespace mop {
namespace {

// Number of tokens before a cut that may depend on the text after it.
constexpr int64_t kMargin = 256;

// Returns a position to cut at or before `bytes`: after a word when one ends nearby, never inside a
// character.
size_t place_to_cut(std::string_view text, size_t bytes) {
  const size_t blank = text.find_last_of(" \n", bytes);
  if (blank != text.npos && blank > bytes / 2) return blank;
  while (bytes > 0 && continues_letter(text[bytes])) --bytes;
  return bytes;
}

}  // namespace

std::vector<int64_t> encode_beginning(const Tokenizer& tokenizer, std::string_view text,
                                      Special special, int64_t longest) {
  const auto wanted = static_cast<size_t>(std::max<int64_t>(longest, 0));
  std::vector<int64_t> ids;
  if (wanted > 0) {
    for (size_t bytes = 32 * (wanted + kMargin); bytes < text.size() / 2; bytes *= 4) {
      ids = tokenizer.encode(text.substr(0, place_to_cut(text, bytes)), special);
      if (ids.size() < wanted + kMargin) continue;
      ids.resize(wanted);
      return ids;
    }
  }
  ids = tokenizer.encode(text, special);
  if (wanted > 0 && ids.size() > wanted) ids.resize(wanted);
  return ids;
}

}  // namespace mop
