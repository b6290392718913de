// Hugging Face's tokenizer files -> GGUF -> the same ids.
#include "text/gguf_vocabulary.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "text/ggml_pre_tokenizers.h"
#include "text/spm_model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

fs::path golden(const std::string& name) {
  return fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers" / name;
}

std::vector<std::string> nasty_texts() {
  std::vector<std::string> texts;
  std::ifstream stream(golden("nasty.jsonl"));
  for (std::string line; std::getline(stream, line);) texts.push_back(Json::parse(line)["text"]);
  return texts;
}

fs::path write(const GgufVocabulary& vocabulary, const fs::path& folder) {
  GgufMetadata metadata = {{"general.architecture", GgufValue::text("llama")}};
  put_vocabulary(vocabulary, metadata);
  GgufWriter writer(folder / "v.gguf", metadata, {{"t", GgmlType::kF32, {1}}});
  writer.write(at::ones({1}));
  writer.finish();
  return folder / "v.gguf";
}

struct Case {
  std::string folder, model, pre;
  std::string note;  // what will differ; texts for which it does are left out by `differs`
  bool (*differs)(const std::string& text);
};

bool never(const std::string&) { return false; }
bool has_symbol(const std::string& text) { return text.find_first_of("<[") != text.npos; }
bool beyond_ascii(const std::string& text) {
  return std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; });
}

class Vocabulary : public ::testing::TestWithParam<Case> {};

TEST_P(Vocabulary, IdsComeBack) {
  const Case& c = GetParam();
  const auto before = open_tokenizer(golden(c.folder));
  const GgufVocabulary vocabulary = vocabulary_of_folder(golden(c.folder), before->vocab() + 3);
  EXPECT_EQ(vocabulary.model, c.model);
  EXPECT_EQ(vocabulary.pre, c.pre);
  EXPECT_THAT(vocabulary.notes, ::testing::Conditional(c.note.empty(), ::testing::IsEmpty(),
                                                       Contains(HasSubstr(c.note))));
  const TempFolder folder;
  const auto after = open_tokenizer(write(vocabulary, folder.path()));
  EXPECT_EQ(before->bos(), after->bos());
  EXPECT_EQ(before->eos(), after->eos());
  size_t compared = 0;
  for (const std::string& text : nasty_texts()) {
    if (c.differs(text)) continue;
    ++compared;
    for (const Special special : {Special::kNone, Special::kDefault}) {
      EXPECT_EQ(before->encode(text, special), after->encode(text, special)) << text;
    }
  }
  EXPECT_GT(compared, 100u);
}

INSTANTIATE_TEST_SUITE_P(
    All, Vocabulary,
    ::testing::Values(Case{"sentencepiece-small", "llama", "default", "user-defined", has_symbol},
                      Case{"llama3-style", "gpt2", "llama-bpe", "", never},
                      Case{"tiktoken-small", "gpt2", "llama-bpe", "", never},
                      Case{"qwen2-style", "gpt2", "qwen2", "NFC", beyond_ascii}),
    [](const auto& info) {
      std::string name = info.param.folder;
      std::ranges::replace(name, '-', '_');
      return name;
    });

std::string refusal(const std::string& folder, int64_t size = 1000) {
  try {
    vocabulary_of_folder(golden(folder), size);
  } catch (const Error& e) {
    return e.what();
  }
  return "was taken";
}

TEST(VocabularyRefusals, APreTokenizerWithoutAName) {
  EXPECT_THAT(refusal("splits"),
              AllOf(HasSubstr("no name for this pre-tokenizer"), HasSubstr("known: llama-bpe")));
}

TEST(VocabularyRefusals, NeitherByteLevelNorLlamas) {
  EXPECT_THAT(refusal("lowercase-words"), HasSubstr("neither byte-level nor LLaMA's"));
}

TEST(VocabularyRefusals, MergesThatAreNotAllThereAre) {
  for (const char* name : {"llama2-style", "mistral-style"}) {
    EXPECT_THAT(refusal(name), HasSubstr("are never merged")) << name;
  }
}

TEST(VocabularyRefusals, MoreTokensThanTheModel) {
  EXPECT_THAT(refusal("llama3-style", 10), HasSubstr("the model's embedding 10"));
}

TEST(VocabularyRefusals, AnUnknownName) { EXPECT_THROW(ggml_pre_tokenizer("gemma"), Error); }

TEST(VocabularyOfNothing, IsNone) {
  const TempFolder folder;
  EXPECT_EQ(vocabulary_of_folder(folder.path(), 5).model, "none");
  EXPECT_TRUE(tokenizer_files_of({.model = "none"}).empty());
}

TEST(Spm, WrittenModelsAreReadAgain) {
  SpmModel model = read_spm(read_file(golden("sentencepiece-small") / "tokenizer.model"));
  const SpmModel again = read_spm(write_spm(model, 1, 2));
  ASSERT_EQ(again.pieces.size(), model.pieces.size());
  EXPECT_EQ(again.kind, model.kind);
  EXPECT_EQ(again.one_blank, model.one_blank);
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    EXPECT_EQ(again.pieces[i].text, model.pieces[i].text);
    EXPECT_EQ(again.pieces[i].score, model.pieces[i].score);
    EXPECT_EQ(again.pieces[i].type, model.pieces[i].type);
  }
}

}  // namespace
}  // namespace mop
