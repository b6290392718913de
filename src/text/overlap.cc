#include "text/overlap.h"

#include <unordered_set>

#include "text/unicode.h"

namespace mop {
namespace {

constexpr int64_t kShortest = 40;  // letters and digits of a line

// FNV-1a, 64 bits: portable, and few collisions among millions of lines.
class LineHash {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) {
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    ++characters_;
  }
  int64_t characters() const { return characters_; }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
  int64_t characters_ = 0;
};

}  // namespace

std::vector<uint64_t> line_hashes(std::string_view text) {
  const std::string lower = to_lower_case(replace_invalid_utf8(text));
  std::vector<uint64_t> hashes;
  LineHash line;
  const auto finish = [&] {
    if (line.characters() >= kShortest) hashes.push_back(line.value());
    line = {};
  };
  for (size_t at = 0; at < lower.size();) {
    const CodePoint c = code_point_at(lower, at);
    if (c.value == '\n') {
      finish();
    } else if (is_word(c.value)) {
      line.add(std::string_view(lower).substr(at, c.bytes));
    }
    at += c.bytes;
  }
  finish();
  return hashes;
}

Overlap overlap(std::span<const std::string> texts, std::span<const uint64_t> known) {
  const std::unordered_set<uint64_t> seen(known.begin(), known.end());
  Overlap result;
  for (const std::string& text : texts) {
    for (const uint64_t hash : line_hashes(text)) {
      ++result.lines;
      result.shared += seen.contains(hash) ? 1 : 0;
    }
  }
  return result;
}

}  // namespace mop
