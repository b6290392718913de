// model/seen_keys.h -- which keys of a tree a block of neighbouring queries sees, for attention in
// blocks.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model/short_attention.h"

namespace mop {

/// Queries of a block.
inline constexpr int64_t kBlockQueries = 16;
/// Keys of a chunk. Visibility is determined per half chunk.
inline constexpr int64_t kChunkKeys = 32;

/// The token ranges of a tree that a query sees: in the prefix and in its own branch.
struct SeenKeys {
  int32_t prefix_begin, prefix_end;
  int32_t own_begin, own_end;
};

/// Per token of the tree; each sees at most the last `window` tokens, including itself.
std::vector<SeenKeys> seen_keys(const SequenceTree& tree, int64_t window);

/// Returns the number of chunks for `tokens` tokens.
int64_t key_chunks(int64_t tokens);

/// Visibility of sixteen neighbouring keys (half a chunk): no query of the block sees any of them;
/// some pairs are visible; every query sees all of them.
enum class Visibility : uint8_t { kNone, kSome, kAll };

/// Up to kBlockQueries neighbouring queries and the chunks of keys that at least one of them sees.
struct QueryBlock {
  std::span<const SeenKeys> seen;  ///< per query
  std::vector<int64_t> chunks;
  std::vector<Visibility> visibility;  ///< two per chunk

  int64_t rows() const { return static_cast<int64_t>(seen.size()); }
  /// Replaces the block's queries and computes `chunks` and `visibility`.
  void assign(std::span<const SeenKeys> queries);
};

}  // namespace mop
