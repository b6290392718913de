#include "text/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<int64_t> encode(const Bpe& bpe, std::string_view word) {
  Bpe::Scratch scratch;
  std::vector<int64_t> ids;
  bpe.encode(word, scratch, ids);
  return ids;
}

Bpe::Vocabulary letters() {
  return {{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"bc", 4}, {"aa", 5}, {"abc", 6}};
}

TEST(Bpe, JoinsTheBestRankedPairFirst) {
  const Bpe by_bc(letters(), {{"b", "c", 0}, {"a", "b", 1}}, {});
  EXPECT_THAT(encode(by_bc, "abc"), ElementsAre(0, 4));
  const Bpe by_ab(letters(), {{"a", "b", 0}, {"b", "c", 1}}, {});
  EXPECT_THAT(encode(by_ab, "abc"), ElementsAre(3, 2));
}

TEST(Bpe, JoinsTheLeftmostOfEqualPairs) {
  const Bpe bpe(letters(), {{"a", "a", 0}}, {});
  EXPECT_THAT(encode(bpe, "aaa"), ElementsAre(5, 0));
  EXPECT_THAT(encode(bpe, "aaaaa"), ElementsAre(5, 5, 0));
}

TEST(Bpe, JoinsWhatWasJoinedBefore) {
  const Bpe bpe(letters(), {{"a", "b", 0}, {"ab", "c", 1}}, {});
  EXPECT_THAT(encode(bpe, "abcab"), ElementsAre(6, 3));
}

TEST(Bpe, IgnoresMergesOnlyForWholeTokensAndOnlyWhenAsked) {
  const std::vector<Merge> merges = {{"b", "c", 0}};
  EXPECT_THAT(encode(Bpe(letters(), merges, {}), "abc"), ElementsAre(0, 4));
  BpeOptions options;
  options.ignore_merges = true;
  const Bpe bpe(letters(), merges, options);
  EXPECT_THAT(encode(bpe, "abc"), ElementsAre(6));
  EXPECT_THAT(encode(bpe, "abca"), ElementsAre(0, 4, 0));
}

TEST(Bpe, UnknownCharactersAreDroppedOrReplacedOrFused) {
  EXPECT_THAT(encode(Bpe(letters(), {}, {}), "xéy"), IsEmpty());
  BpeOptions options;
  options.unknown = "c";
  EXPECT_THAT(encode(Bpe(letters(), {}, options), "xéa"), ElementsAre(2, 2, 0));
  options.fuse_unknown = true;
  EXPECT_THAT(encode(Bpe(letters(), {}, options), "xéaé"), ElementsAre(2, 0, 2));
}

TEST(Bpe, FallsBackOnBytesOnlyWhenAllBytesOfTheCharacterAreTokens) {
  Bpe::Vocabulary vocabulary = {{"a", 0}, {"<unk>", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}};
  BpeOptions options;
  options.unknown = "<unk>";
  options.byte_fallback = true;
  const Bpe bpe(vocabulary, {}, options);
  EXPECT_THAT(encode(bpe, "aé"), ElementsAre(0, 2, 3));
  EXPECT_THAT(encode(bpe, "aè"), ElementsAre(0, 1));
}

TEST(Bpe, AMillionCharactersInOneWordDoNotTakeQuadraticTime) {
  const Bpe bpe(letters(), {{"a", "b", 0}, {"ab", "c", 1}}, {});
  std::string word;
  for (int i = 0; i < 400000; ++i) word += "abc";
  EXPECT_EQ(encode(bpe, word), std::vector<int64_t>(400000, 6));
}

TEST(Bpe, RefusesAMergeOfUnknownTokens) {
  try {
    Bpe(letters(), {{"c", "c", 0}}, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(),
                HasSubstr("merge 'c' 'c' needs the token 'cc', which is not in the vocabulary"));
  }
}

}  // namespace
}  // namespace mop
