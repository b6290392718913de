// text/unigram.h -- the Unigram model of a tokenizer.json: the most likely segmentation of a word
// into pieces.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mop {

struct UnigramOptions {
  std::optional<int64_t> unknown;  ///< id of the piece for characters that no piece contains
  bool byte_fallback = false;      ///< encode what no piece matches as <0x00>..<0xFF> first
};

class Unigram {
 public:
  /// Pieces with log probabilities; the id of a piece is its index. Throws Error(kBadInput) when
  /// there are none, or `unknown` is not one of them.
  Unigram(std::vector<std::pair<std::string, double>> pieces, UnigramOptions options);

  /// Buffers of `encode`, reused between words.
  struct Scratch {
    struct Node {
      double score = 0;    ///< of the best segmentation up to here
      int64_t start = -1;  ///< start of its last piece, -1: not reachable
      int64_t piece = -1;
    };
    std::vector<Node> nodes;
    std::vector<std::string_view> cuts;
  };
  /// Appends the ids of one word (valid UTF-8) to `ids`. Throws Error(kBadInput) for a character
  /// that no piece contains when there is no unknown piece.
  void encode(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id_of(std::string_view piece) const;
  /// Returns nullptr when there is no such piece.
  const std::string* token_of(int64_t id) const;
  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }

 private:
  void find_best_way(std::string_view word, std::vector<Scratch::Node>& nodes) const;
  void add_cut(std::string_view cut, std::vector<int64_t>& ids) const;

  std::vector<std::pair<std::string, double>> pieces_;
  std::unordered_map<std::string_view, int64_t> ids_;  // of equal pieces, the last
  std::unordered_map<uint64_t, int32_t> children_;     // key: node << 8 | byte
  std::vector<int64_t> piece_at_;                      // per node, -1 = none
  UnigramOptions options_;
  double unknown_score_ = 0;
};

}  // namespace mop
