// Sizes that files dictate: what they may make us allocate, or the SentencePiece library do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "base/files.h"
#include "kit/cpu_time.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "text/bpe_tokenizer.h"
#include "text/chat_template.h"
#include "text/encode_beginning.h"
#include "text/gguf_vocabulary.h"
#include "text/normalizers.h"
#include "text/post_processor.h"
#include "text/spm_check.h"
#include "text/spm_model.h"
#include "unit/text/byte_tokenizer.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

const fs::path kGolden = fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers";

std::string refusal(const PartJson& tokenizer) {
  return refusal_of([&] { make_tokenizer_json(tokenizer.dump(), {}); });
}

PartJson small() {
  return PartJson::parse(R"({"added_tokens": [{"id": 3, "content": "<b>", "special": true}],
      "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

TEST(FileSizes, IdsOfTokensAreBounded) {
  for (const int64_t id : {int64_t{2147483646}, int64_t{1} << 40, int64_t{-1}}) {
    PartJson json = small();
    json["model"]["vocab"]["a"] = id;
    EXPECT_THAT(refusal(json), HasSubstr("token 'a' has the id " + std::to_string(id)));
    json = small();
    json["added_tokens"][0]["id"] = id;
    EXPECT_THAT(refusal(json), ::testing::Not(HasSubstr("nothing was refused")));
  }
  PartJson json = small();
  json["added_tokens"][0]["id"] = UINT64_MAX;
  EXPECT_THAT(refusal(json), HasSubstr("must be a whole number"));
  json["added_tokens"][0]["id"] = 1e30;
  EXPECT_THAT(refusal(json), HasSubstr("must be a whole number"));
  EXPECT_THAT(refusal_of([] {
                parse_tokenizer_config(R"({"added_tokens_decoder": {"9999999999": "<x>"}})");
              }),
              HasSubstr("has the id 9999999999"));
}

// A file may name as many tokens as it likes: each is looked up, not searched for.
TEST(FileSizes, AddedTokensAreReadInTimeInProportion) {
  const auto read = [](int count) {
    PartJson decoder = PartJson::object(), tokenizer = small();
    for (int i = 0; i < count; ++i)
      decoder[std::to_string(10 + i)] = {{"content", fmt::format("<{}>", i)}, {"special", true}};
    const TokenizerConfig config =
        parse_tokenizer_config(PartJson{{"added_tokens_decoder", decoder}}.dump());
    ASSERT_EQ(std::ssize(config.added), count);
    EXPECT_GE(make_tokenizer_json(tokenizer.dump(), config)->vocab(), count + 10);
  };
  EXPECT_LT(testing::growth(read, 4000), 10);
}

// As tiktoken's ranks: each byte, and one token of many.
TEST(FileSizes, LongTokensAreReadInTimeInProportion) {
  const testing::TempFolder folder;
  const auto read = [&](int size) {
    std::string ranks;
    static constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t byte = 0; byte < 256; ++byte)
      ranks += fmt::format("{}{}== {}\n", kLetters[byte >> 2], kLetters[(byte & 3) << 4], byte);
    write_file(folder.path() / "tokenizer.model",
               ranks + std::string(static_cast<size_t>(size), 'A') + " 256\n");
    EXPECT_EQ(open_tokenizer(folder.path())->vocab(), 257 + 256);
  };
  EXPECT_LT(testing::growth(read, 100000), 10);
}

TEST(FileSizes, SpecialTokensOfAGgufAreReadInTimeInProportion) {
  std::map<int, GgufVocabulary> vocabularies;
  for (const int count : {4000, 16000}) {
    GgufVocabulary& one = vocabularies[count] = {.model = "llama"};
    for (int id = 0; id < count; ++id) one.tokens.push_back(fmt::format("<{}>", id));
    one.types.assign(one.tokens.size(), static_cast<int64_t>(PieceType::kControl));
    one.scores.assign(one.tokens.size(), 0);
  }
  const auto read = [&](int count) {
    EXPECT_EQ(tokenizer_files_of(vocabularies.at(count)).size(), 2u);
  };
  EXPECT_LT(testing::growth(read, 4000), 10);
}

TEST(FileSizes, AddedTokensAreWrittenInTimeInProportion) {
  constexpr int kFirst = 1000;  // behind the model's own
  const testing::TempFolder folder;
  const auto at = [&](int count) { return folder.path() / std::to_string(count); };
  for (const int count : {8000, 32000}) {
    PartJson added = PartJson::object();
    for (int id = kFirst; id < kFirst + count; ++id)
      added[std::to_string(id)] = {{"content", fmt::format("<{:0>60}>", id)}, {"special", true}};
    fs::create_directory(at(count));
    fs::copy_file(kGolden / "sentencepiece-small/tokenizer.model", at(count) / "tokenizer.model");
    write_file(at(count) / "tokenizer_config.json",
               PartJson{{"added_tokens_decoder", added}}.dump());
  }
  const auto write = [&](int count) {
    EXPECT_THAT(refusal_of([&] { vocabulary_of_folder(at(count), 1); }),
                HasSubstr(fmt::format("the tokenizer has {} tokens", kFirst + count)));
  };
  EXPECT_LT(testing::growth(write, 8000), 10);
}

TEST(FileSizes, KeysOfAMessageAreReadInTimeInProportion) {
  const ChatTemplate chat({{"default", "{{ messages[0]|length }}"}}, Json::object());
  const auto render = [&](int count) {
    Json::object_t message;
    for (int i = 0; i < count; ++i) message.push_back({std::to_string(i), 1});
    EXPECT_EQ(chat.render(Json::array({Json(message)})), std::to_string(count));
  };
  EXPECT_LT(testing::growth(render, 4000), 10);
}

TEST(FileSizes, NormalizersDoNotGrowATextWithoutBound) {
  PartJson doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  PartJson steps = PartJson::array();
  for (int i = 0; i < 60; ++i) steps.push_back(doubling);
  PartJson sequence = {{"type", "Sequence"}, {"normalizers", steps}};
  EXPECT_THAT(refusal_of([&] { make_normalizer(sequence)("aaaa"); }),
              HasSubstr("bytes of a text of 4"));
  for (int i = 0; i < 5; ++i)  // sequences of sequences
    sequence = {{"type", "Sequence"}, {"normalizers", PartJson::array({sequence, sequence})}};
  EXPECT_THAT(refusal_of([&] { make_normalizer(sequence)("aaaa"); }),
              HasSubstr("bytes of a text of 4"));
  doubling["content"] = std::string(1 << 20, 'x');
  EXPECT_THAT(refusal_of([&] { make_normalizer(doubling)(std::string(1 << 20, 'a')); }),
              HasSubstr("bytes of a text of 1048576"));
  const PartJson usual = {
      {"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  EXPECT_EQ(make_normalizer(usual)(std::string(1 << 20, ' ')).size(), 3u << 20);
}

TEST(FileSizes, TokensAroundATextAreBounded) {
  PartJson ids = PartJson::array(), single = {{{"Sequence", {{"id", "A"}}}}};
  for (int i = 0; i < 1000; ++i) ids.push_back(1);
  for (int i = 0; i < 1000; ++i) single.push_back({{"SpecialToken", {{"id", "x"}}}});
  const PartJson part = {{"type", "TemplateProcessing"},
                         {"single", single},
                         {"special_tokens", {{"x", {{"ids", ids}}}}}};
  EXPECT_THAT(refusal_of([&] { read_post_processor(part); }), HasSubstr("more than 1024 tokens"));
}

// Counts what it is given.
class Counting final : public Tokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, Special special) const override {
    most = std::max(most, text.size());
    return bytes_.encode(text, special);
  }
  std::string decode(const std::vector<int64_t>&, bool) const override { return ""; }
  int64_t vocab() const override { return 258; }
  std::optional<int64_t> bos() const override { return 256; }
  std::optional<int64_t> eos() const override { return 257; }
  std::string kind() const override { return "counting"; }
  std::string fingerprint() const override { return "counting"; }
  mutable size_t most = 0;

 private:
  testing::ByteTokenizer bytes_;
};

TEST(EncodeBeginning, LooksAtNoMoreOfALongTextThanItNeeds) {
  const Counting tokenizer;
  const std::string text(4 << 20, 'x');
  const auto ids = encode_beginning(tokenizer, text, Special::kDefault, 512);
  EXPECT_EQ(ids.size(), 512u);
  EXPECT_EQ(ids.front(), 256);
  EXPECT_LT(tokenizer.most, 100000u);
  EXPECT_EQ(encode_beginning(tokenizer, text, Special::kNone, 0).size(), text.size());
}

TEST(EncodeBeginning, GivesTheFirstTokensOfTheWholeText) {
  std::string text;
  for (int i = 0; text.size() < 120000; ++i)
    text +=
        fmt::format("Word{} \u4f60\u597d, it's {}\n\n  x{}", i, i * i, i % 7 == 0 ? "   " : " ");
  for (const char* name :
       {"llama2-style/tokenizer.json", "llama3-style/tokenizer.json", "qwen2-style/tokenizer.json",
        "unigram-t5-style/tokenizer.json", "sentencepiece-small/tokenizer.model",
        "tiktoken-small/tokenizer.model"}) {
    const auto tokenizer = open_tokenizer(kGolden / name);
    for (const std::string& one : {text, text.substr(0, 5), std::string(60000, 'a')}) {
      auto whole = tokenizer->encode(one, Special::kDefault);
      for (const int64_t longest : {1, 100, 700}) {
        auto first = whole;
        if (std::ssize(first) > longest) first.resize(static_cast<size_t>(longest));
        EXPECT_EQ(encode_beginning(*tokenizer, one, Special::kDefault, longest), first) << name;
      }
    }
  }
}

// --- SentencePiece models, which the library reads without looking ---

std::string field(int number, const std::string& bytes) {
  std::string text(1, static_cast<char>(number << 3 | 2));
  size_t size = bytes.size();
  for (; size >= 128; size >>= 7) text += static_cast<char>(size | 128);
  return text + static_cast<char>(size) + bytes;
}

std::string good_model() { return read_file(kGolden / "sentencepiece-small" / "tokenizer.model"); }

// A double array of 256 units, all of them the same, and a text.
std::string charsmap(uint32_t unit, const std::string& texts) {
  const uint32_t size = 1024;
  std::string map(reinterpret_cast<const char*>(&size), sizeof size);
  for (int i = 0; i < 256; ++i) map.append(reinterpret_cast<const char*>(&unit), sizeof unit);
  return map + texts;
}

std::string refusal_of_map(const std::string& map, int normalizer = 3) {
  const std::string model = good_model() + field(normalizer, field(2, map));
  return refusal_of(
      [&] { make_sentencepiece(model, {})->encode("Hello w\u00f6rld", Special::kNone); });
}

TEST(SpmCheck, TablesOfReplacementsAreCheckedBeforeTheLibraryFollowsThem) {
  const uint32_t size = 0xFFFFFF00;
  const std::string lying(reinterpret_cast<const char*>(&size), 4);
  EXPECT_THAT(
      refusal_of_map(lying + "12345678"),
      AllOf(HasSubstr("the SentencePiece model is damaged"), HasSubstr("4294967040 bytes")));
  EXPECT_THAT(refusal_of_map("abc"), HasSubstr("has 3 bytes"));
  const uint32_t far = 0x1FFFFF << 10;  // the offset of a unit
  EXPECT_THAT(refusal_of_map(charsmap(far, std::string("x\0", 2))),
              HasSubstr("an offset out of range"));
  EXPECT_THAT(refusal_of_map(charsmap(far, std::string("x\0", 2)), 5),
              HasSubstr("an offset out of range"));
  const uint32_t leaf = 1 << 8;
  EXPECT_THAT(refusal_of_map(charsmap(leaf | 0x7F, std::string("x\0", 2))),
              HasSubstr("has a text offset out of range"));
  EXPECT_THAT(refusal_of_map(charsmap(0, "no zero")), HasSubstr("not zero-terminated UTF-8"));
  EXPECT_THAT(refusal_of_map(charsmap(0, std::string("\xff\0", 2))),
              HasSubstr("not zero-terminated UTF-8"));
  EXPECT_THAT(refusal_of_map(charsmap(0, std::string(1000, 'x') + '\0')),
              HasSubstr("replaces a letter by 1000 bytes"));
  EXPECT_EQ(refusal_of_map(charsmap(0, std::string("x\0", 2))), "nothing was refused");
}

TEST(SpmCheck, PiecesAreTextsWithFiniteScores) {
  for (const float score : {float(NAN), float(INFINITY)}) {
    std::string bytes(reinterpret_cast<const char*>(&score), sizeof score);
    const std::string piece = field(1, "new") + std::string(1, 2 << 3 | 5) + bytes;
    EXPECT_THAT(refusal_of([&] { make_sentencepiece(good_model() + field(1, piece), {}); }),
                HasSubstr("a piece's score is"));
  }
  EXPECT_THAT(refusal_of([&] { check_spm(good_model() + field(1, field(1, "\xff"))); }),
              HasSubstr("a piece is not UTF-8"));
  for (const std::string& piece : {std::string(), std::string("\0a", 2)})
    EXPECT_THAT(refusal_of([&] { check_spm(good_model() + field(1, field(1, piece))); }),
                HasSubstr("a piece is empty or holds a zero byte"));
  EXPECT_EQ(refusal_of([&] { check_spm(good_model()); }), "nothing was refused");
  EXPECT_THAT(refusal_of([&] { make_sentencepiece("\x0a\x7f", {}); }),
              HasSubstr("not a tokenizer"));
}

}  // namespace
}  // namespace mop
