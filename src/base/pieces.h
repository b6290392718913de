// base/pieces.h
#pragma once
#include <algorithm>
#include <cstdint>

namespace mop {

/// Calls use(first, count) on consecutive ranges of at most `most` of `total` items.
template <typename Use>
void for_pieces(int64_t total, int64_t most, Use use) {
  for (int64_t first = 0; first < total; first += most) use(first, std::min(most, total - first));
}

}  // namespace mop
