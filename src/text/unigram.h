// text/unigram.h -- the Unigram model of a tokenizer.json: of all ways to cut a word into pieces
// the most likely.
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
  std::optional<int64_t> unknown;  ///< id of the piece for characters that no piece spells
  bool byte_fallback = false;      ///< what no piece spells becomes pieces <0x00>..<0xFF> first
};

class Unigram {
 public:
  /// Pieces and their log probabilities; a piece's id is its place. Throws Error(kBadInput) when
  /// there is none, or `unknown` is not among them.
  Unigram(std::vector<std::pair<std::string, double>> pieces, UnigramOptions options);

  /// Buffers of `encode`, kept by the caller between words.
  struct Scratch {
    struct Node {
      double score = 0;    ///< of the best way to here
      int64_t start = -1;  ///< where its last piece begins, -1: no way leads here
      int64_t piece = -1;
    };
    std::vector<Node> nodes;
    std::vector<std::string_view> cuts;
  };
  /// Appends the ids of one word (valid UTF-8) to `ids`. Throws Error(kBadInput) for a character
  /// that cannot be spelled when there is no unknown piece.
  void encode(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id_of(std::string_view piece) const;
  /// Null when there is no such piece.
  const std::string* token_of(int64_t id) const;
  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }

 private:
  void find_best_way(std::string_view word, std::vector<Scratch::Node>& nodes) const;
  void add_cut(std::string_view cut, std::vector<int64_t>& ids) const;

  std::vector<std::pair<std::string, double>> pieces_;
  std::unordered_map<std::string_view, int64_t> ids_;  // of the last of equal pieces
  std::unordered_map<uint64_t, int32_t> children_;     // node << 8 | byte
  std::vector<int64_t> piece_at_;                      // of a node, -1 = none
  UnigramOptions options_;
  double unknown_score_ = 0;
};

}  // namespace mop
