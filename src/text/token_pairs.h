// text/token_pairs.h -- which tokens can be merged from two others.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace mop {

/// A token that two others make, as places in a list of tokens.
struct TokenPair {
  size_t whole, left, right;
};

/// Returns every way to cut one of `tokens` into two others of them. The tokens are distinct; a
/// long one costs no more than its bytes. Throws Error(kBadInput) when the texts of all pairs have
/// more than 64 times the bytes of the tokens, and more than 1 MiB.
std::vector<TokenPair> pairs_of_tokens(const std::vector<std::string_view>& tokens);

}  // namespace mop
