#include "text/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "text/chat_samples.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One token a byte; a text of n bytes has n tokens, and BOS (256) by default.
class ByteTokenizer final : public Tokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, Special special) const override {
    std::vector<int64_t> ids;
    if (special != Special::kNone) ids.push_back(256);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(const std::vector<int64_t>&, bool) const override { return ""; }
  int64_t vocab() const override { return 257; }
  std::optional<int64_t> bos() const override { return 256; }
  std::optional<int64_t> eos() const override { return std::nullopt; }
  std::string kind() const override { return "bytes"; }
  std::string fingerprint() const override { return ""; }
};

class ReadSamples : public ::testing::Test {
 protected:
  std::vector<std::string> read(const std::string& name, std::string_view bytes) {
    const fs::path file = folder_.path() / name;
    write_file(file, bytes);
    return read_samples(file);
  }
  std::string refusal(const std::string& name, std::string_view bytes) {
    const std::string text = testing::refusal_of([&] { read(name, bytes); });
    EXPECT_THAT(text, AnyOf("nothing was refused", HasSubstr((folder_.path() / name).string())));
    return text;
  }
  testing::TempFolder folder_;
};

TEST_F(ReadSamples, TextLinesWithoutBlankOnesAndCarriageReturns) {
  EXPECT_THAT(read("a.txt", "one\r\n\n  \ntwo \n three"), ElementsAre("one", "two ", " three"));
}

TEST_F(ReadSamples, AGitLfsPointerIsNoText) {
  constexpr auto kPointer =
      "version https://git-lfs.github.com/spec/v1\noid "
      "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 13476\n";
  for (const char* name : {"a.txt", "a.jsonl"}) {
    EXPECT_THAT(refusal(name, kPointer), HasSubstr("this is a Git LFS pointer"));
  }
}

TEST_F(ReadSamples, ByteOrderMarkIsNoText) {
  EXPECT_THAT(read("a.txt", "\xEF\xBB\xBFone\n"), ElementsAre("one"));
  EXPECT_THAT(read("a.jsonl", "\xEF\xBB\xBF{\"text\": \"one\"}\n"), ElementsAre("one"));
}

TEST_F(ReadSamples, JsonLinesOrOneList) {
  EXPECT_THAT(read("a.jsonl", "{\"text\": \"x\\ny\"}\r\n\n{\"text\": \"z\", \"id\": 3}"),
              ElementsAre("x\ny", "z"));
  EXPECT_THAT(read("a.json", "[{\"text\": \"x\"},\n {\"text\": \"y\"}]"), ElementsAre("x", "y"));
  EXPECT_THAT(read("b.json", "{\"text\": \"x\"}\n{\"text\": \"y\"}\n"), ElementsAre("x", "y"));
}

TEST_F(ReadSamples, AlpacaRecordsBecomeTheCalibrationPrompt) {
  EXPECT_THAT(
      read("a.json", R"([{"instruction": "Add.", "input": "1 2", "output": "3"},
                                 {"instruction": "Sing.", "input": "", "output": "la"}])"),
      ElementsAre("Instruction: Add.\nInput: 1 2\nResponse:", "Instruction: Sing.\nResponse:"));
}

TEST_F(ReadSamples, QuestionsAreAskedWithoutTheAnswer) {
  EXPECT_THAT(read("a.jsonl", R"({"question": "Big?", "choices": ["no", "yes"], "answer": 1})"),
              ElementsAre("Question: Big?\nOptions: (A) no (B) yes\nAnswer:"));
}

TEST_F(ReadSamples, RefusalsNameFileLineAndFields) {
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"x\"}\n{\"page\": 1, \"id\": 2}"),
              AllOf(HasSubstr("line 2 is no sample: it has `page`, `id`"),
                    HasSubstr("a record has `text`")));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"x\"}\n{\"text\": 7}"), HasSubstr("line 2"));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"x\"}\n\nnonsense"),
              HasSubstr("line 3 is not valid JSON: parse error at column 2: syntax error"));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"\xFF\"}"), HasSubstr("line 1 is not UTF-8"));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": 1e999}"), HasSubstr("line 1 is not valid JSON"));
  EXPECT_THAT(refusal("a.json", "[{\"text\": \"x\"}, 3]"), HasSubstr("record 2 is no sample"));
  EXPECT_THAT(refusal("a.csv", "x"), HasSubstr("known: .txt, .jsonl, .json, .parquet"));
}

TEST_F(ReadSamples, ALineOfAnyWhiteSpaceIsBlankInEveryFormat) {
  EXPECT_THAT(read("a.txt", "one\n\u00a0\u3000\ntwo"), ElementsAre("one", "two"));
  EXPECT_THAT(read("a.jsonl", "{\"text\": \"x\"}\n\u00a0\n\f\n{\"text\": \"y\"}"),
              ElementsAre("x", "y"));
}

TEST_F(ReadSamples, AnEmptyFileIsAnError) {
  EXPECT_THAT(refusal("a.txt", ""),
              AllOf(HasSubstr("holds no samples"), HasSubstr("a .txt has a sample a line")));
  EXPECT_THAT(refusal("a.txt", "\n \n"), HasSubstr("holds no samples"));
  EXPECT_THAT(refusal("a.jsonl", ""), HasSubstr("holds no samples"));
  EXPECT_THAT(refusal("a.json", "[]"), HasSubstr("holds no samples"));
}

const std::vector<std::string> kTexts = {"a", "bb", "ccc", "dddd", "e"};

SampleOptions take(int64_t samples) {
  SampleOptions options;
  options.samples = samples;
  return options;
}

TEST(TokenizeSamples, TakesTheFirstAndCutsThem) {
  SampleOptions options = take(3);
  options.max_tokens = 3;
  const TokenSamples made = tokenize_samples(kTexts, ByteTokenizer(), options, 100);
  EXPECT_THAT(made.ids, ElementsAre(ElementsAre(256, 'a'), ElementsAre(256, 'b', 'b'),
                                    ElementsAre(256, 'c', 'c')));
  EXPECT_EQ(made.tokens(), 8);
}

TEST(TokenizeSamples, TheContextIsTheLongest) {
  EXPECT_EQ(tokenize_samples(kTexts, ByteTokenizer(), take(9), 2).tokens(), 10);
  SampleOptions options = take(9);
  options.max_tokens = 50;
  EXPECT_EQ(tokenize_samples(kTexts, ByteTokenizer(), options, 2).tokens(), 10);
}

TEST(TokenizeSamples, RandomOnesComeFromTheSeed) {
  SampleOptions options = take(4);
  options.random = true;
  options.seed = 5;
  const TokenSamples once = tokenize_samples(kTexts, ByteTokenizer(), options, 100);
  EXPECT_EQ(once.ids.size(), 4u);
  EXPECT_EQ(once.ids, tokenize_samples(kTexts, ByteTokenizer(), options, 100).ids);
  bool differs = false;
  for (options.seed = 6; options.seed < 10; ++options.seed) {
    differs |= tokenize_samples(kTexts, ByteTokenizer(), options, 100).sha256 != once.sha256;
  }
  EXPECT_TRUE(differs);
}

TEST(TokenizeSamples, HashTellsWhereASampleEnds) {
  const auto hash = [](const std::vector<std::string>& texts) {
    return tokenize_samples(texts, ByteTokenizer(), {}, 100).sha256;
  };
  EXPECT_EQ(hash({"ab", "c"}), hash({"ab", "c"}));
  EXPECT_NE(hash({"ab", "c"}), hash({"a", "bc"}));
}

TEST(TokenizeSplit, SamplesToJudgeOnComeBehindThoseToMeasureOn) {
  const SplitSamples split = tokenize_split(kTexts, ByteTokenizer(), take(3), 100);
  EXPECT_EQ(split.calibration.sha256,
            tokenize_samples(kTexts, ByteTokenizer(), take(3), 100).sha256);
  EXPECT_THAT(split.validation.ids, ElementsAre(ElementsAre(256, 'd', 'd', 'd', 'd')));
  EXPECT_EQ(split.validation.sha256, tokenize_samples({"dddd"}, ByteTokenizer(), {}, 9).sha256);
  EXPECT_EQ(split.validation.origins[0].index, 3);
  EXPECT_EQ(split.shared, 0);
}

TEST(TokenizeSplit, AnEighthAsManyAreForValidation) {
  const auto sizes = [](size_t texts, int64_t samples) {
    const SplitSamples split =
        tokenize_split(std::vector<std::string>(texts, "x"), ByteTokenizer(), take(samples), 9);
    return std::tuple(split.calibration.ids.size(), split.validation.ids.size(), split.shared);
  };
  EXPECT_EQ(sizes(1000, 128), std::tuple(128, 16, 0));
  EXPECT_EQ(sizes(144, 128), std::tuple(128, 16, 0));
  EXPECT_EQ(sizes(8, 7), std::tuple(7, 1, 0));
  EXPECT_EQ(sizes(143, 128), std::tuple(128, 16, 1)) << "the texts run out";
  EXPECT_EQ(sizes(100, 128), std::tuple(100, 12, 12));
  EXPECT_EQ(sizes(1, 128), std::tuple(1, 1, 1));
}

TEST(TokenizeSplit, DrawnSamplesAreTheSameAsWithoutValidation) {
  SampleOptions options = take(3);
  options.random = true;
  options.seed = 5;
  const SplitSamples split = tokenize_split(kTexts, ByteTokenizer(), options, 100);
  EXPECT_EQ(split.calibration.ids, tokenize_samples(kTexts, ByteTokenizer(), options, 100).ids);
  for (const SampleOrigin& measured : split.calibration.origins) {
    EXPECT_NE(measured.index, split.validation.origins[0].index);
  }
}

TEST(Samples, ConversationsAreWhatTheModelsTemplateWrites) {
  const testing::TempFolder folder;
  const fs::path file = folder.path() / "a.jsonl";
  write_file(
      file,
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"
      "\n"
      R"({"conversations": [{"from": "human", "value": "c"}]})");
  try {
    read_samples(file, folder.path());
    ADD_FAILURE() << "no template is needed";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(),
                HasSubstr("line 1 is a conversation, but the model has no chat template"));
  }
  write_file(folder.path() / "tokenizer_config.json", R"({"bos_token": "<s>"})");
  write_file(folder.path() / "chat_template.jinja",
             "{{ bos_token }}{% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}");
  EXPECT_THAT(read_samples(file, folder.path()), ElementsAre("user=a;assistant=b;", "user=c;"));
}

}  // namespace
}  // namespace mop
