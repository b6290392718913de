// model/seen_keys.h -- which keys of a tree a few neighbouring queries look at, for attention in
// blocks.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model/short_attention.h"

namespace mop {

inline constexpr int64_t kQueriesTogether = 16;
/// Keys of a chunk. Each half of one is looked at by itself.
inline constexpr int64_t kKeysTogether = 32;

/// The tree's tokens that a query sees: of the beginning, and of its own branch.
struct SeenKeys {
  int32_t prefix_begin, prefix_end;
  int32_t own_begin, own_end;
};

/// By each of the tree's tokens; the last `window` at most, itself included.
std::vector<SeenKeys> seen_keys(const SequenceTree& tree, int64_t window);

/// Chunks that hold so many tokens.
int64_t key_chunks(int64_t tokens);

/// What a block of queries sees of sixteen neighbouring keys: none of them anything, some of them
/// something, all of them everything.
enum class Sight : uint8_t { kNone, kSome, kAll };

/// Up to sixteen neighbouring queries, and the chunks of keys that any of them sees.
struct QueryBlock {
  std::span<const SeenKeys> seen;  ///< by each
  std::vector<int64_t> chunks;
  std::vector<Sight> sight;  ///< two per chunk

  int64_t rows() const { return static_cast<int64_t>(seen.size()); }
  /// Makes it the block of these queries.
  void look(std::span<const SeenKeys> queries);
};

}  // namespace mop
