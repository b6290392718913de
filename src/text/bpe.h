// text/bpe.h -- byte-pair encoding: merges the symbols of a word, lowest rank first.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mop {

/// Options of a BPE model in `tokenizer.json`. Ids fit 31 bits.
struct BpeOptions {
  /// Token for characters outside the vocabulary; unset: they are dropped.
  std::optional<std::string> unknown;
  bool fuse_unknown = false;   ///< merge neighbouring unknown characters into one token
  bool byte_fallback = false;  ///< encode unknown characters as tokens <0x00>..<0xFF> first
  /// Encode a word that is a token as that token, regardless of merges.
  bool ignore_merges = false;
};

/// A pair of symbols that can be merged. Lower ranks first; of equal ranks, the leftmost pair.
struct Merge {
  std::string left, right;
  int32_t rank;
};

class Bpe {
 public:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Vocabulary = std::unordered_map<std::string, int32_t, Hash, std::equal_to<>>;

  /// The later of two merges of the same pair counts. Throws Error(kBadInput) when a merge names a
  /// token that is not in the vocabulary.
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options);

  /// Buffers of `encode`, reused between words.
  struct Scratch {
    struct Symbol {
      int32_t id, previous, next;  ///< neighbours as positions in `symbols`, -1 at the ends; id -1:
                                   ///< merged into another
    };
    struct Candidate {
      int32_t rank, position, joined;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };
  /// Appends the ids of one word (valid UTF-8) to `ids`. O(n log n) in the word's length.
  void encode(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id_of(std::string_view token) const;
  /// Returns nullptr when there is no such token.
  const std::string* token_of(int64_t id) const;
  /// Largest id + 1.
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }

 private:
  struct Join {
    int32_t rank = -1, joined = -1;
  };
  const Join* find_join(int32_t left, int32_t right) const;
  void insert_join(int32_t left, int32_t right, Join join);
  void add_characters(std::string_view word, std::vector<Scratch::Symbol>& symbols) const;
  bool add_bytes(std::string_view character, std::vector<Scratch::Symbol>& symbols) const;
  void push_candidate(int32_t position, Scratch& scratch) const;
  void join_all(Scratch& scratch) const;

  Vocabulary vocabulary_;
  std::vector<const std::string*> tokens_;
  BpeOptions options_;
  std::optional<int32_t> unknown_;
  std::vector<int32_t> byte_ids_;  // of <0x00>..<0xFF>, -1 where absent
  // Open addressing, a power of two of slots, at most half full: key = left << 32 | right.
  std::vector<std::pair<uint64_t, Join>> joins_;
};

}  // namespace mop
