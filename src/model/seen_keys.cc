// model/seen_keys.cc
#include "model/seen_keys.h"

#include <algorithm>
#include <limits>

namespace mop {
namespace {

constexpr int64_t kHalf = kChunkKeys / 2;

// Keys that all queries of a block see, and bounds of those that any of them sees.
struct BlockKeys {
  SeenKeys all, any;
};

BlockKeys keys_of_block(std::span<const SeenKeys> queries) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  BlockKeys s{{0, kMost, 0, kMost}, {kMost, 0, kMost, 0}};
  for (const SeenKeys& x : queries) {
    s.all = {std::max(s.all.prefix_begin, x.prefix_begin), std::min(s.all.prefix_end, x.prefix_end),
             std::max(s.all.own_begin, x.own_begin), std::min(s.all.own_end, x.own_end)};
    s.any.own_begin = std::min(s.any.own_begin, x.own_begin);
    s.any.own_end = std::max(s.any.own_end, x.own_end);
    if (x.prefix_begin == x.prefix_end) continue;
    s.any.prefix_begin = std::min(s.any.prefix_begin, x.prefix_begin);
    s.any.prefix_end = std::max(s.any.prefix_end, x.prefix_end);
  }
  return s;
}

}  // namespace

std::vector<SeenKeys> seen_keys(const SequenceTree& tree, int64_t window) {
  std::vector<SeenKeys> seen;
  seen.reserve(static_cast<size_t>(tree.tokens));
  const auto add = [&](int64_t first, int64_t length, int64_t before) {
    for (int64_t t = 0; t < length; ++t) {
      const int64_t oldest = std::max<int64_t>(0, before + t + 1 - window);
      seen.push_back({static_cast<int32_t>(std::min(oldest, before)), static_cast<int32_t>(before),
                      static_cast<int32_t>(first + std::max<int64_t>(0, oldest - before)),
                      static_cast<int32_t>(first + t + 1)});
    }
  };
  add(0, tree.prefix, 0);
  int64_t first = tree.prefix;
  for (const int64_t length : tree.branches) {
    add(first, length, tree.prefix);
    first += length;
  }
  return seen;
}

int64_t key_chunks(int64_t tokens) { return (tokens + kChunkKeys - 1) / kChunkKeys; }

void QueryBlock::assign(std::span<const SeenKeys> queries) {
  const BlockKeys s = keys_of_block(queries);
  const auto visibility_of = [&](int64_t begin) {
    const int64_t end = begin + kHalf;
    const auto within = [&](int64_t first, int64_t last) { return first <= begin && end <= last; };
    const auto meets = [&](int64_t first, int64_t last) { return first < end && begin < last; };
    if (within(s.all.prefix_begin, s.all.prefix_end) || within(s.all.own_begin, s.all.own_end)) {
      return Visibility::kAll;
    }
    const bool some =
        meets(s.any.prefix_begin, s.any.prefix_end) || meets(s.any.own_begin, s.any.own_end);
    return some ? Visibility::kSome : Visibility::kNone;
  };
  seen = queries;
  chunks.clear();
  visibility.clear();
  const int64_t end = key_chunks(std::max(s.any.prefix_end, s.any.own_end));
  for (int64_t chunk = 0; chunk < end; ++chunk) {
    const Visibility first = visibility_of(chunk * kChunkKeys),
                     second = visibility_of(chunk * kChunkKeys + kHalf);
    if (first == Visibility::kNone && second == Visibility::kNone) continue;
    chunks.push_back(chunk);
    visibility.insert(visibility.end(), {first, second});
  }
}

}  // namespace mop
