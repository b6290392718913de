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

std::string to_base64(const std::string& bytes) {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t three = 0;
    for (size_t i = 0; i < 3; ++i)
      three = three << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i)
      text += at + i > bytes.size() ? '=' : kLetters[three >> (18 - 6 * i) & 63];
  }
  return text;
}

// A table that sends "a" to the text at an offset.
std::string charsmap_of_a(uint32_t offset, const std::string& texts) {
  std::vector<uint32_t> units(257, 0);
  units[0] = 256 * sizeof(uint32_t);  // bytes of the table that follows
  constexpr uint32_t kHasLeaf = 1u << 8, kPlace = 1;
  units[1 + 'a'] = 'a' | kHasLeaf | ('a' ^ kPlace) << 10;
  units[1 + kPlace] = offset;
  std::string bytes(reinterpret_cast<const char*>(units.data()), units.size() * sizeof units[0]);
  return to_base64(bytes + texts);
}

// What is no UTF-8 would be read, and its pieces written, past the end of the text.
TEST(Charsmap, ReplacementsAreUtf8) {
  const std::string texts("x\0\xC3\xA9\0", 5);
  EXPECT_EQ(Charsmap(charsmap_of_a(0, texts)).replace("ab"), "xb");
  EXPECT_EQ(Charsmap(charsmap_of_a(2, texts)).replace("ab"), "\u00e9b");
  EXPECT_THAT(refusal([&] { Charsmap(charsmap_of_a(3, texts)).replace("ab"); }),
              HasSubstr("`precompiled_charsmap` is damaged: 3 is no text's offset"));
  EXPECT_THAT(refusal([&] { Charsmap(charsmap_of_a(5, texts)).replace("ab"); }),
              HasSubstr("`precompiled_charsmap` is damaged"));
  EXPECT_THAT(refusal([] { Charsmap map(charsmap_of_a(0, "\xF0")); }),
              HasSubstr("`precompiled_charsmap` is damaged: not UTF-8"));
}

// Only a caller's mistake brings such a word here; it is no reason to write past the end.
TEST(Unigram, AWordThatEndsInsideALetterStaysInside) {
  EXPECT_THAT(encode(Unigram({{"<unk>", 0}, {"b", -1}}, {.unknown = 0}), "b\xF0"),
              ElementsAre(1, 0));
  EXPECT_THAT(encode(Unigram({{"<unk>", 0}, {"\xF0", -1}}, {.unknown = 0}), "\xF0"),
              ElementsAre(1));
}

}  // namespace
}  // namespace mop
