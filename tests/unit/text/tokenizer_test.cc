#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempFolder;

const fs::path kGolden = fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers";

template <typename Make>
std::string refusal(Make make) {
  try {
    make();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    return e.what();
  }
  return "nothing was refused";
}

// A tokenizer.json with three tokens, with `changes` merged in.
fs::path small_json(const TempFolder& folder, const char* changes = "{}") {
  Json object = Json::parse(
      R"({"added_tokens": [{"id": 3, "content": "<b>", "special": true, "normalized": false}],
      "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  object.merge_patch(Json::parse(changes));
  const fs::path file = folder.path() / "tokenizer.json";
  write_file(file, to_text(object));
  return file;
}

TEST(OpenTokenizer, KnowsTheFormatByItsContent) {
  const TempFolder folder;
  fs::copy_file(kGolden / "tiktoken-small/tokenizer.model", folder.path() / "x.bin");
  EXPECT_EQ(open_tokenizer(folder.path() / "x.bin")->kind(), "tiktoken");
  EXPECT_EQ(open_tokenizer(testing::demo_model())->kind(), "sentencepiece");
  fs::copy_file(kGolden / "qwen2-style/tokenizer.json", folder.path() / "tokenizer.model");
  EXPECT_EQ(open_tokenizer(folder.path())->kind(), "bpe");
}

TEST(OpenTokenizer, PrefersTokenizerJson) {
  const TempFolder folder;
  fs::copy_file(testing::demo_model() / "tokenizer.model", folder.path() / "tokenizer.model");
  small_json(folder);
  EXPECT_EQ(open_tokenizer(folder.path())->vocab(), 4);
}

TEST(OpenTokenizer, SaysWhatItLookedFor) {
  const TempFolder folder;
  EXPECT_THAT(refusal([&] { open_tokenizer(folder.path()); }),
              AllOf(HasSubstr("holds no tokenizer: neither tokenizer.json nor tokenizer.model"),
                    HasSubstr("copy the files of the model's own tokenizer")));
  EXPECT_THAT(refusal([&] { open_tokenizer(folder.path() / "absent"); }),
              HasSubstr("no such file or folder"));
}

TEST(OpenTokenizer, RefusesBrokenFilesNamingThem) {
  const TempFolder folder;
  const fs::path file = folder.path() / "tokenizer.model";
  const auto text_of = [&](std::string_view bytes) {
    write_file(file, bytes);
    return refusal([&] { open_tokenizer(file); });
  };
  EXPECT_THAT(text_of("nonsense"), HasSubstr("not a tokenizer"));
  EXPECT_THAT(text_of(""), HasSubstr("not a tokenizer"));
  EXPECT_THAT(text_of("{\"model\": "), HasSubstr("not valid JSON"));
  EXPECT_THAT(text_of("{}"), HasSubstr("`model` is missing"));
  EXPECT_THAT(text_of("IQ== 0\nIg= 1\n"), HasSubstr("line 2 is not 'base64 rank'"));
  EXPECT_THAT(text_of("IQ== 0\n"), HasSubstr("1 tokens cannot spell every byte"));
  EXPECT_THAT(text_of("IQ== 0\n"), HasSubstr("file: " + file.string()));
}

TEST(TokenizerJson, RefusesWhatItDoesNotKnow) {
  const TempFolder folder;
  const auto text_of = [&](const char* changes) {
    small_json(folder, changes);
    return refusal([&] { open_tokenizer(folder.path()); });
  };
  EXPECT_THAT(
      text_of(R"({"model": {"type": "WordPiece"}})"),
      AllOf(HasSubstr("model 'WordPiece' is not supported"), HasSubstr("known: BPE, Unigram")));
  EXPECT_THAT(text_of(R"({"model": {"dropout": 0.1}})"), HasSubstr("`dropout`"));
  EXPECT_THAT(text_of(R"({"model": {"end_of_word_suffix": "</w>"}})"),
              HasSubstr("`end_of_word_suffix`"));
  EXPECT_THAT(text_of(R"({"model": {"vocab": {"a": "x"}}})"),
              HasSubstr("token 'a' has no integer id"));
  EXPECT_THAT(text_of(R"({"model": {"merges": ["a b c"]}})"), HasSubstr("merge 0 is neither"));
  EXPECT_THAT(text_of(R"({"added_tokens": [{"content": "<x>"}]})"),
              HasSubstr("lacks `content` or `id`"));
  EXPECT_THAT(text_of(R"({"decoder": {"type": "CTC"}})"),
              HasSubstr("decoder 'CTC' is not supported"));
  EXPECT_THAT(text_of(R"({"decoder": {"type": "CTC"}})"), HasSubstr("tokenizer.json"));
}

TEST(TokenizerJson, MergesMayBePairs) {
  const TempFolder folder;
  small_json(folder, R"({"model": {"merges": [["a", "b"]]}})");
  EXPECT_THAT(open_tokenizer(folder.path())->encode("aba", Special::kNone), ElementsAre(2, 0));
}

TEST(TokenizerJson, FilesBesideItNameTheSpecialTokens) {
  const TempFolder folder;
  small_json(folder);
  EXPECT_FALSE(open_tokenizer(folder.path())->bos().has_value());
  write_file(folder.path() / "config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 3]})");
  EXPECT_EQ(open_tokenizer(folder.path())->bos(), 1);
  EXPECT_EQ(open_tokenizer(folder.path())->eos(), 2);
  write_file(folder.path() / "tokenizer_config.json",
             R"({"bos_token": {"content": "<b>"}, "eos_token": "<new>", "add_bos_token": true})");
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->bos(), 3);
  EXPECT_EQ(tokenizer->eos(), 4);
  EXPECT_THAT(tokenizer->encode("a<new>", Special::kDefault), ElementsAre(0, 4))
      << "the file's own rule counts";
}

TEST(Tokenizer, BosStandsInFrontExactlyOnce) {
  const auto tokenizer = open_tokenizer(testing::demo_model());
  const auto plain = tokenizer->encode("once upon", Special::kNone);
  auto expected = plain;
  expected.insert(expected.begin(), *tokenizer->bos());
  EXPECT_EQ(tokenizer->encode("once upon", Special::kBos), expected);
  EXPECT_THAT(tokenizer->encode("<s>", Special::kBos), ElementsAre(1));
  EXPECT_THAT(tokenizer->encode("<s>", Special::kDefault), ElementsAre(1, 1));
}

TEST(Tokenizer, WithoutBosKBosIsAnError) {
  const TempFolder folder;
  small_json(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_THAT(refusal([&] { tokenizer->encode("a", Special::kBos); }),
              HasSubstr("has no BOS token"));
}

TEST(Tokenizer, IllFormedTextIsReadWithReplacementCharacters) {
  for (const fs::path& path : {testing::demo_model(), kGolden / "llama3-style/tokenizer.json"}) {
    const auto tokenizer = open_tokenizer(path);
    EXPECT_EQ(tokenizer->encode("a\xFF\xE4\xB8z", Special::kNone),
              tokenizer->encode("a\uFFFD\uFFFDz", Special::kNone));
  }
}

TEST(Tokenizer, DecodeLeavesSpecialTokensOutWhenAsked) {
  const auto tokenizer = open_tokenizer(testing::demo_model());
  const auto ids = tokenizer->encode("once upon a time</s>", Special::kDefault);
  EXPECT_EQ(tokenizer->decode(ids), "once upon a time");
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special=*/false), "<s> once upon a time</s>");
  EXPECT_EQ(tokenizer->decode({-1, 1 << 20}), "") << "ids that are no tokens";
  EXPECT_EQ(tokenizer->decode({}), "");
}

TEST(Tokenizer, FingerprintIsTheFilesSha256) {
  const fs::path file = kGolden / "qwen2-style/tokenizer.json";
  EXPECT_EQ(open_tokenizer(file)->fingerprint(), sha256(read_file(file)));
}

TEST(SentencePiece, AloneItAddsBosAndNoEos) {
  const TempFolder folder;
  fs::copy_file(testing::demo_model() / "tokenizer.model", folder.path() / "any.name");
  const auto tokenizer = open_tokenizer(folder.path() / "any.name");
  EXPECT_THAT(tokenizer->encode("", Special::kDefault), ElementsAre(1));
  EXPECT_THAT(tokenizer->encode("", Special::kNone), IsEmpty());
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_EQ(tokenizer->vocab(), 2048);
}

TEST(SentencePiece, ConfigSaysWhoIsAddedAndWhichTokensThereAre) {
  const TempFolder folder;
  fs::copy_file(testing::demo_model() / "tokenizer.model", folder.path() / "tokenizer.model");
  write_file(folder.path() / "tokenizer_config.json",
             R"({"add_bos_token": false, "add_eos_token": true, "pad_token": "<pad>"})");
  write_file(folder.path() / "added_tokens.json", R"({"<extra>": 2050})");
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_THAT(tokenizer->encode("<pad><extra>", Special::kDefault), ElementsAre(2048, 2050, 2));
  EXPECT_EQ(tokenizer->vocab(), 2051);
}

TEST(SentencePiece, BrokenConfigIsAnErrorThatNamesIt) {
  const TempFolder folder;
  fs::copy_file(testing::demo_model() / "tokenizer.model", folder.path() / "tokenizer.model");
  write_file(folder.path() / "tokenizer_config.json", R"({"add_bos_token": "yes"})");
  const std::string text = refusal([&] { open_tokenizer(folder.path()); });
  EXPECT_THAT(text, HasSubstr("`add_bos_token` has the wrong type: \"yes\""));
  EXPECT_THAT(text, HasSubstr("tokenizer_config.json"));
}

TEST(Tiktoken, HasTheSpecialTokensOfLlama3AndTakesOtherNamesFromTheConfig) {
  const TempFolder folder;
  fs::copy_file(kGolden / "tiktoken-small/tokenizer.model", folder.path() / "tokenizer.model");
  const auto plain = open_tokenizer(folder.path());
  const int64_t base = plain->vocab() - 256;
  EXPECT_THAT(plain->encode("<|eot_id|><|reserved_special_token_250|>", Special::kDefault),
              ElementsAre(base, base + 9, base + 255));
  write_file(
      folder.path() / "tokenizer_config.json",
      fmt::format(
          R"({{"added_tokens_decoder": {{"{}": {{"content": "<|eom_id|>", "special": true}}}}}})",
          base + 8));
  EXPECT_THAT(open_tokenizer(folder.path())->encode("<|eom_id|>", Special::kNone),
              ElementsAre(base + 8));
}

}  // namespace
}  // namespace mop
