// text/token_id.h -- ids as files give them.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace mop {

/// Vocabularies are tables by id, so what an id may be bounds what a file can make us allocate. The
/// largest in use have a quarter of a million tokens.
inline constexpr int64_t kMostTokens = int64_t{1} << 22;

/// `id`. Throws Error(kBadInput) naming the token when it is not from 0 to kMostTokens - 1.
inline int64_t checked_token_id(int64_t id, std::string_view token) {
  if (id >= 0 && id < kMostTokens) return id;
  throw bad_input("token '{}' has the id {}, ids go from 0 to {}", token, id, kMostTokens - 1);
}

}  // namespace mop
