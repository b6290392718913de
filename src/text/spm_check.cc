// text/spm_check.cc
#include "text/spm_check.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "text/darts_unit.h"
#include "text/proto_wire.h"
#include "text/token_id.h"
#include "text/unicode.h"

namespace mop {
namespace {

// A double array has blocks of 256 units: the children of a node, by byte.
constexpr size_t kBlockBytes = 256 * sizeof(uint32_t);
constexpr size_t kLongestReplacement = 256;  // the longest in Unicode's forms has 33 bytes

uint32_t unit_at(std::string_view table, size_t i) {
  uint32_t unit = 0;
  std::memcpy(&unit, table.data() + i * sizeof unit, sizeof unit);
  return unit;
}

// Checks that each step from a unit, for any byte, leads to a unit, and that each value is an
// offset into the texts.
void check_units(std::string_view table, std::string_view texts) {
  const size_t count = table.size() / sizeof(uint32_t);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t unit = unit_at(table, i);
    if (i > 0 && is_value(unit)) continue;  // lookup starts at the first unit
    const size_t next = i ^ offset_of(unit);
    if (next >= count) throw bad_input("its replacement table has an offset out of range");
    if (!has_leaf(unit)) continue;
    if (value_of(unit_at(table, next)) >= texts.size())
      throw bad_input("its replacement table has a text offset out of range");
  }
}

void check_texts(std::string_view texts) {
  if (texts.empty() || texts.back() != '\0' || !is_valid_utf8(texts))
    throw bad_input("its replacement texts are not zero-terminated UTF-8");
  for (size_t at = 0; at < texts.size();) {
    const size_t end = texts.find('\0', at);
    if (end - at > kLongestReplacement)
      throw bad_input("it replaces a letter by {} bytes, more than {}", end - at,
                      kLongestReplacement);
    at = end + 1;
  }
}

// The layout is: byte count of the double array, the array, the zero-terminated texts.
void check_charsmap(std::string_view map) {
  if (map.empty()) return;
  uint32_t size = 0;
  if (map.size() < sizeof size) throw bad_input("its replacement table has {} bytes", map.size());
  std::memcpy(&size, map.data(), sizeof size);
  map.remove_prefix(sizeof size);
  if (size == 0 || size % kBlockBytes != 0 || size >= map.size())
    throw bad_input("its replacement table should have {} bytes, of {} in all", size, map.size());
  check_texts(map.substr(size));
  check_units(map.substr(0, size), map.substr(size));
}

void check_normalizer(std::string_view message) {
  read_fields(message, [](uint64_t field, uint64_t, std::string_view bytes) {
    if (field == 2) check_charsmap(bytes);
  });
}

void check_piece(std::string_view message) {
  read_fields(message, [](uint64_t field, uint64_t, std::string_view bytes) {
    float score = 0;
    if (field == 1 && !is_valid_utf8(bytes)) throw bad_input("a piece is not UTF-8");
    // The library treats pieces as zero-terminated strings.
    if (field == 1 && (bytes.empty() || bytes.find('\0') != bytes.npos))
      throw bad_input("a piece is empty or holds a zero byte");
    if (field != 2 || bytes.size() != sizeof score) return;
    std::memcpy(&score, bytes.data(), sizeof score);
    if (!std::isfinite(score)) throw bad_input("a piece's score is {}", score);
  });
}

}  // namespace

void check_spm(std::string_view bytes) try {
  constexpr uint64_t kPieces = 1, kNormalizer = 3, kDenormalizer = 5;
  int64_t pieces = 0;
  read_fields(bytes, [&](uint64_t field, uint64_t, std::string_view message) {
    if (field == kPieces) {
      if (++pieces > kMostTokens) throw bad_input("it has more than {} pieces", kMostTokens);
      check_piece(message);
    }
    if (field == kNormalizer || field == kDenormalizer) check_normalizer(message);
  });
} catch (const Error& e) {
  throw bad_input("the SentencePiece model is damaged: {}", e.message());
}

}  // namespace mop
