// text/token_id.h -- validates token ids read from files.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace mop {

/// Upper limit of ids. Vocabularies are arrays indexed by id, so this limits what a file can make
/// us allocate. The largest vocabularies in use have 250,000 tokens.
inline constexpr int64_t kMostTokens = int64_t{1} << 22;

/// Returns `id`. Throws Error(kBadInput) naming the token when it is not in 0..kMostTokens - 1.
inline int64_t checked_token_id(int64_t id, std::string_view token) {
  if (id >= 0 && id < kMostTokens) return id;
  throw bad_input("token '{}' has the id {}, ids go from 0 to {}", token, id, kMostTokens - 1);
}

}  // namespace mop
