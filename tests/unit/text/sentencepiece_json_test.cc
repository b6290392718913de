#include "text/sentencepiece_json.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "text/tokenizer.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;

const std::vector<std::string> kTexts = {
    "",
    "once upon a time, there was a cat.",
    "Two  blanks,   three; a tab\there. ",
    " in front",
    "   ",
    "line\nbreak\n\ntwice\r\n",
    "Zo\u00eb \u00fcber \u4f60\u597d \U0001f600 e\u0301 \u00a0 \u200b",
    "1234567 3.14 -0",
    "def f(x):\n    return x  # why\n",
    "\u2581mark\u2581",
    "<s> in the text</s> and <unk>",
    std::string("\x00\x07 control", 10)};

// A folder with the files that matter for tokenizing, and one with the made tokenizer.json too.
void expect_same_ids(const fs::path& model, const std::string& config) {
  TempFolder folder;
  for (const char* name : {"made", "plain"}) {
    fs::create_directory(folder.path() / name);
    write_file(folder.path() / name / "tokenizer.model", read_file(model));
    write_file(folder.path() / name / "tokenizer_config.json", config);
  }
  const std::string json = sentencepiece_as_json(folder.path() / "made");
  ASSERT_NE(json, "");
  write_file(folder.path() / "made/tokenizer.json", json);
  const auto made = open_tokenizer(folder.path() / "made");
  const auto plain = open_tokenizer(folder.path() / "plain");
  EXPECT_NE(made->kind(), plain->kind());
  EXPECT_EQ(made->vocab(), plain->vocab());
  for (const std::string& text : kTexts) {
    for (const Special special : {Special::kNone, Special::kDefault, Special::kBos}) {
      const std::vector<int64_t> ids = plain->encode(text, special);
      EXPECT_EQ(made->encode(text, special), ids) << text;
      EXPECT_EQ(made->decode(ids), plain->decode(ids)) << text;
    }
  }
}

const char* const kDefaults = R"({"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"})";

TEST(SentencePieceAsJson, GivesTheIdsOfTheModel) {
  expect_same_ids(testing::demo_model() / "tokenizer.model", kDefaults);
  expect_same_ids(
      testing::demo_model() / "tokenizer.model",
      R"({"add_bos_token":false,"add_eos_token":true,"bos_token":"<s>","eos_token":"</s>"})");
}

TEST(SentencePieceAsJson, GivesTheIdsOfLlama2) {
  if (testing::test_data().empty()) GTEST_SKIP() << testing::no_test_data();
  expect_same_ids(testing::test_data() / "tokenizers/llama2.model", kDefaults);
}

TEST(SentencePieceAsJson, IsEmptyWhereThereIsNothingToConvert) {
  TempFolder folder;
  EXPECT_EQ(sentencepiece_as_json(folder.path()), "") << "no tokenizer";
  write_file(folder.path() / "tokenizer.model", "IQ== 0\nIg== 1\n");
  EXPECT_EQ(sentencepiece_as_json(folder.path()), "") << "tiktoken's format";
  const std::string model = read_file(testing::demo_model() / "tokenizer.model");
  write_file(folder.path() / "tokenizer.model", model.substr(0, model.size() / 2));
  EXPECT_EQ(sentencepiece_as_json(folder.path()), "") << "a truncated file";
  write_file(folder.path() / "tokenizer.model", model);
  write_file(folder.path() / "tokenizer.json", "{}");
  EXPECT_EQ(sentencepiece_as_json(folder.path()), "") << "there is one already";
}

}  // namespace
}  // namespace mop
