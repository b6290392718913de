#include "text/token_pairs.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <tuple>

#include "kit/cpu_time.h"
#include "kit/refusal.h"

namespace mop {
namespace {

using Cut = std::tuple<std::string, std::string>;

std::set<Cut> found_in(const std::vector<std::string>& tokens) {
  std::set<Cut> cuts;
  for (const auto& [whole, left, right] : pairs_of_tokens({tokens.begin(), tokens.end()})) {
    EXPECT_EQ(tokens[left] + tokens[right], tokens[whole]);
    EXPECT_TRUE(cuts.emplace(tokens[left], tokens[right]).second);
  }
  return cuts;
}

TEST(TokenPairs, AreThoseOfAPlainSearch) {
  std::set<std::string> all;
  for (unsigned i = 1, random = 1; i < 400; ++i) {
    std::string token;
    for (unsigned n = i % 7; n > 0; --n)
      token += "ab"[(random = random * 1103515245 + 12345) >> 30 & 1];
    all.insert(token);  // the empty one, too
  }
  std::set<Cut> expected;
  for (const std::string& token : all) {
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if (all.contains(token.substr(0, cut)) && all.contains(token.substr(cut)))
        expected.emplace(token.substr(0, cut), token.substr(cut));
    }
  }
  EXPECT_GT(expected.size(), 50u);
  EXPECT_EQ(found_in({all.begin(), all.end()}), expected);
  EXPECT_TRUE(found_in({}).empty());
}

TEST(TokenPairs, ALongTokenTakesTimeInProportion) {
  const auto search = [](int size) {
    const std::string token(static_cast<size_t>(size), 'a');
    EXPECT_TRUE(pairs_of_tokens({token, "a", "b"}).empty());
  };
  EXPECT_LT(testing::growth(search, 100000), 10);
}

// A token of n letters with n - 1 cuts is n * n bytes of merges.
TEST(TokenPairs, TheirTextsAreBounded) {
  const std::string longest(2000, 'a');
  std::vector<std::string_view> tokens;
  for (size_t size = 1; size <= longest.size(); ++size)
    tokens.push_back(std::string_view(longest).substr(0, size));
  EXPECT_THAT(testing::refusal_of([&] { pairs_of_tokens(tokens); }),
              ::testing::HasSubstr("have merges of more than 64 times as many"));
  tokens.resize(128);  // as many blanks have a token in Llama 3
  EXPECT_EQ(pairs_of_tokens(tokens).size(), 127u * 128 / 2);
}

}  // namespace
}  // namespace mop
