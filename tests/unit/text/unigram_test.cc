#include "text/unigram.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "text/bpe_tokenizer.h"
#include "text/charsmap.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int64_t> encode(const Unigram& model, std::string_view word) {
  Unigram::Scratch scratch;
  std::vector<int64_t> ids;
  model.encode(word, scratch, ids);
  return ids;
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    return e.what();
  }
  return "nothing was refused";
}

TEST(Unigram, TheMostLikelyWayWins) {
  const std::vector<std::pair<std::string, double>> pieces = {
      {"<unk>", 0}, {"a", -1}, {"b", -1}, {"ab", -3}, {"abc", -2.5}, {"c", -1}};
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0}), "ab"), ElementsAre(1, 2));
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0}), "abc"), ElementsAre(4));
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0}), "abab"), ElementsAre(1, 2, 1, 2));
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0}), ""), ElementsAre());
}

TEST(Unigram, UnknownCharactersAreFusedOrSpelledInBytes) {
  std::vector<std::pair<std::string, double>> pieces = {{"<unk>", 0}, {"a", -1}};
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0}), "a\u00e9\u00e9a\u00e9"),
              ElementsAre(1, 0, 1, 0));
  pieces.insert(pieces.end(), {{"<0xC3>", -9}, {"<0xA9>", -9}});
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0, .byte_fallback = true}), "a\u00e9"),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(encode(Unigram(pieces, {.unknown = 0, .byte_fallback = true}), "a\u00e8"),
              ElementsAre(1, 0))
      << "a byte without a piece: the whole is unknown";
}

TEST(Unigram, WithoutAnUnknownPieceWhatCannotBeSpelledIsAnError) {
  const Unigram model({{"a", -1}}, {});
  EXPECT_THAT(refusal([&] { encode(model, "ab"); }), HasSubstr("has no piece for 'b'"));
}

TEST(Unigram, DamagedModelsAreRefused) {
  const auto read = [](const char* model) {
    return refusal([&] {
      make_tokenizer_json(R"({"model": {"type": "Unigram", )" + std::string(model) + "}}", {});
    });
  };
  EXPECT_THAT(read(R"("vocab": [])"), HasSubstr("the vocabulary is empty"));
  EXPECT_THAT(read(R"("vocab": {"a": 1})"), HasSubstr("not a list of [piece, score]"));
  EXPECT_THAT(read(R"("vocab": [["a", 0], ["b"]])"), HasSubstr("piece 1 is not [text, score]"));
  EXPECT_THAT(read(R"("vocab": [["a", 0]], "unk_id": 1)"), HasSubstr("`unk_id` 1"));
}

TEST(Charsmap, DamagedTablesAreRefused) {
  for (const char* text : {"", "AAAA", "not base64!", "/////wAAAAA="})
    EXPECT_THAT(refusal([&] { Charsmap map(text); }), HasSubstr("`precompiled_charsmap` is"));
}

}  // namespace
}  // namespace mop
