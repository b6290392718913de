// text/token_pairs.cc
#include "text/token_pairs.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/error.h"

namespace mop {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

// Returns for each text the place of the longest other one that it begins with. In the order of
// texts, those that begin with a text follow it.
template <typename Text>
std::vector<size_t> longest_beginnings(const std::vector<Text>& texts) {
  std::vector<size_t> order(texts.size()), longest(texts.size(), kNone), open;
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return texts[a] < texts[b]; });
  for (const size_t at : order) {
    while (!open.empty() && !texts[at].starts_with(texts[open.back()])) open.pop_back();
    if (!open.empty()) longest[at] = open.back();
    open.push_back(at);
  }
  return longest;
}

std::vector<size_t> longest_ends(const std::vector<std::string_view>& texts) {
  std::vector<std::string> backwards;
  for (const std::string_view text : texts) backwards.emplace_back(text.rbegin(), text.rend());
  return longest_beginnings(backwards);
}

void check_size(size_t tokens, size_t pairs) {
  constexpr size_t kMostTimes = 64, kAlwaysFine = 1 << 20;
  if (pairs <= kAlwaysFine || pairs / kMostTimes <= tokens) return;
  throw bad_input("tokens of {} bytes have merges of more than {} times as many", tokens,
                  kMostTimes);
}

}  // namespace

std::vector<TokenPair> pairs_of_tokens(const std::vector<std::string_view>& tokens) {
  const std::vector<size_t> beginnings = longest_beginnings(tokens), ends = longest_ends(tokens);
  std::vector<TokenPair> pairs;
  std::vector<size_t> lefts;
  size_t all_bytes = 0, pair_bytes = 0;
  for (const std::string_view token : tokens) all_bytes += token.size();
  for (size_t whole = 0; whole < tokens.size(); ++whole) {
    lefts.clear();  // the longest first
    for (size_t at = beginnings[whole]; at != kNone; at = beginnings[at]) lefts.push_back(at);
    for (size_t right = ends[whole]; right != kNone; right = ends[right]) {
      const size_t cut = tokens[whole].size() - tokens[right].size();  // it grows
      while (!lefts.empty() && tokens[lefts.back()].size() < cut) lefts.pop_back();
      if (lefts.empty()) break;
      if (tokens[lefts.back()].size() != cut) continue;
      pairs.push_back({whole, lefts.back(), right});
      check_size(all_bytes, pair_bytes += tokens[whole].size());
    }
  }
  return pairs;
}

}  // namespace mop
