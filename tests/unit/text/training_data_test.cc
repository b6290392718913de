#include "text/training_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "unit/text/byte_tokenizer.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int64_t>;

Ids bytes_of(std::string_view text) {
  return testing::ByteTokenizer().encode(text, Special::kNone);
}

class Training : public ::testing::Test {
 protected:
  TrainingData open(const std::string& name, std::string_view bytes,
                    const TrainingDataOptions& options = {}) {
    write_file(folder_.path() / name, bytes);
    return TrainingData::open(folder_.path() / name, std::make_shared<testing::ByteTokenizer>(),
                              options);
  }
  std::string refusal(const std::string& name, std::string_view bytes,
                      const TrainingDataOptions& options = {}) {
    try {
      open(name, bytes, options);
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing was refused";
  }
  testing::TempFolder folder_;
};

TEST_F(Training, TextLinesAreLearnedWhole) {
  const TrainingData data = open("a.txt", "ab\n\n \nc\r\n");
  ASSERT_EQ(data.size(), 2);
  EXPECT_EQ(data.sample(0).ids, (Ids{256, 'a', 'b'}));
  EXPECT_EQ(data.sample(0).labels, data.sample(0).ids);
  EXPECT_EQ(data.sample(1).ids, (Ids{256, 'c'}));
}

TEST_F(Training, EosFollowsATextWhenAskedFor) {
  TrainingDataOptions options;
  options.text_eos = true;
  EXPECT_EQ(open("a.jsonl", R"({"text": "ab"})", options).sample(0).ids, (Ids{256, 'a', 'b', 257}));
}

TEST_F(Training, OnlyAlpacasAnswerIsLearned) {
  const TrainingData data =
      open("a.json", R"([{"instruction": "I", "input": "", "output": "ok"}])");
  const TrainingSample sample = data.sample(0);
  const Ids prompt = bytes_of(
      "Below is an instruction that describes a task. Write a response that appropriately "
      "completes the request.\n\n### Instruction:\nI\n\n### Response:\n");
  ASSERT_EQ(sample.ids.size(), 1 + prompt.size() + 3);
  EXPECT_EQ(sample.ids[0], 256);
  EXPECT_EQ(Ids(sample.ids.begin() + 1, sample.ids.end() - 3), prompt);
  EXPECT_EQ(Ids(sample.ids.end() - 3, sample.ids.end()), (Ids{'o', 'k', 257}));
  EXPECT_EQ(sample.labels[prompt.size()], kNoLoss);
  EXPECT_EQ(Ids(sample.labels.end() - 3, sample.labels.end()), (Ids{'o', 'k', 257}));
}

TEST_F(Training, TheReleasedFormHasASecondBosBeforeTheAnswer) {
  TrainingDataOptions options;
  options.form = "alpaca-released";
  const Ids labels =
      open("a.jsonl", R"({"instruction": "I", "output": "ok"})", options).sample(0).labels;
  EXPECT_EQ(Ids(labels.end() - 4, labels.end()), (Ids{256, 'o', 'k', 257}));
}

TEST_F(Training, LongSamplesAreCut) {
  TrainingDataOptions options;
  options.max_tokens = 3;
  const TrainingSample sample = open("a.txt", "abcdef", options).sample(0);
  EXPECT_EQ(sample.ids, (Ids{256, 'a', 'b'}));
  EXPECT_EQ(sample.labels.size(), 3u);
}

TEST_F(Training, SlicesAndSplitsAreRangesOfTheFile) {
  const TrainingData data = open("a.txt", "a\nb\nc\nd\ne\n");
  const auto [train, held_out] = data.split_last(2);
  EXPECT_EQ(train.size(), 3);
  EXPECT_EQ(held_out.size(), 2);
  EXPECT_EQ(held_out.sample(0).ids.back(), 'd');
  EXPECT_EQ(held_out.slice(1, 1).sample(0).ids.back(), 'e');
  EXPECT_NE(train.fingerprint(), held_out.fingerprint());
  EXPECT_EQ(data.slice(0, 3).fingerprint(), train.fingerprint());
  EXPECT_THROW(data.split_last(5), Error);
}

TEST_F(Training, EveryRecordIsCheckedAtOnce) {
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"x\"}\n\n{\"text\": 7}"), HasSubstr("line 3"));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"x\"}\n{\"page\": 7}"),
              AllOf(HasSubstr("line 2 is no training sample: it has `page`"),
                    HasSubstr((folder_.path() / "a.jsonl").string())));
  EXPECT_THAT(refusal("a.json", R"([{"instruction": "x", "output": "y"}, {"instruction": "x"}])"),
              AllOf(HasSubstr("record 2"), HasSubstr("output")));
  EXPECT_THAT(refusal("a.json", R"([{"text": "x"} {"text": "y"}])"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("a.json", R"([{"text": "x"}, {"text": "y"])"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("a.jsonl", R"({"messages": [{"role": "user", "content": "x"}]})"),
              HasSubstr("line 1 is a conversation, but the model has no chat template"));
  TrainingDataOptions options;
  options.form = "alpaka";
  EXPECT_THAT(refusal("a.txt", "x", options),
              HasSubstr("known: chat, alpaca, alpaca-released, completion, text"));
}

TEST_F(Training, OnlyTheCompletionOfAPromptIsLearned) {
  const TrainingSample sample =
      open("a.jsonl", R"({"prompt": "ab", "completion": "cd"})").sample(0);
  EXPECT_EQ(sample.ids, (Ids{256, 'a', 'b', 'c', 'd', 257}));
  EXPECT_EQ(sample.labels, (Ids{kNoLoss, kNoLoss, kNoLoss, 'c', 'd', 257}));
}

TrainingDataOptions with_template(const std::string& source) {
  TrainingDataOptions options;
  options.chat = std::make_shared<ChatTemplate>(
      std::map<std::string, std::string>{{"default", source}}, Json::object());
  return options;
}

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.role[0] }}{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}";

TEST_F(Training, NothingToLearnInAWholeFileIsAnError) {
  const auto options = with_template(kTemplate);
  EXPECT_THAT(
      refusal(
          "a.jsonl",
          R"({"messages": [{"role": "human", "content": "u"}, {"role": "gpt", "content": "x"}]})",
          options),
      AllOf(HasSubstr("there is nothing to learn in the data: no message of the role "
                      "`assistant` is learned"),
            HasSubstr("roles found: `gpt`, `human`")));
  EXPECT_THAT(
      refusal("b.jsonl", R"({"messages": [{"role": "assistant", "content": "u", "weight": 0}]})",
              options),
      HasSubstr("there is nothing to learn"));
  TrainingDataOptions short_ones;
  short_ones.max_tokens = 4;
  EXPECT_THAT(refusal("c.jsonl", R"({"instruction": "I", "output": "ok"})", short_ones),
              HasSubstr("4 tokens of a sample (data.max_tokens) end before its answer begins"));
  EXPECT_THAT(refusal("d.jsonl", R"({"prompt": "abcde", "completion": "f"})", short_ones),
              HasSubstr("there is nothing to learn"));
}

TEST_F(Training, WhatIsNotReadOrNotLearnedIsTold) {
  const TrainingData data = open(
      "a.jsonl",
      R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "x"}], "id": 3, "mood": 1})"
      "\n"
      R"({"messages": [{"role": "user", "content": "u"}], "prompt": "u"})",
      with_template(kTemplate));
  EXPECT_THAT(data.notes(),
              ElementsAre("the data's records hold keys that are not read: `mood`, `prompt`",
                          HasSubstr("1 of 2 samples hold nothing to learn")));
  EXPECT_THAT(open("b.jsonl", R"({"text": "x", "id": 3})").notes(), ElementsAre());
}

TEST_F(Training, WhatIsCutOrNotLearnedIsToldOfEveryForm) {
  TrainingDataOptions short_ones;
  short_ones.max_tokens = 5;
  const TrainingData data = open("a.jsonl",
                                 R"({"prompt": "abcdef", "completion": "x"})"
                                 "\n"
                                 R"({"prompt": "a", "completion": "x"})"
                                 "\n"
                                 R"({"text": "longer"})",
                                 short_ones);
  EXPECT_THAT(data.notes(),
              ElementsAre("1 of 3 samples hold nothing to learn within 5 tokens (data.max_tokens)",
                          "2 of 3 samples are cut to 5 tokens (data.max_tokens)"));
  EXPECT_FALSE(data.slice(0, 1).has_target());
  EXPECT_TRUE(data.slice(0, 2).has_target());
}

// A tokenizer without BOS.
class NoBosTokenizer : public testing::ByteTokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, Special) const override {
    return testing::ByteTokenizer::encode(text, Special::kNone);
  }
};

TEST_F(Training, ARecordWithoutTokensIsFoundBeforeTraining) {
  write_file(folder_.path() / "a.jsonl", "{\"text\": \"x y\"}\n{\"text\": \"\"}\n");
  try {
    TrainingData::open(folder_.path() / "a.jsonl", std::make_shared<NoBosTokenizer>());
    FAIL() << "an empty record was accepted";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("line 2 holds no tokens"));
  }
}

TEST_F(Training, ATemplatesComplaintNamesTheRecord) {
  const auto options = with_template("{{ messages[0].content + 'x' }}");
  EXPECT_THAT(refusal("a.jsonl",
                      "{\"messages\": [{\"role\": \"user\", \"content\": \"u\"}]}\n\n"
                      "{\"messages\": [{\"role\": \"user\"}]}",
                      options),
              AllOf(HasSubstr("line 3"), HasSubstr("template line: 1"),
                    HasSubstr((folder_.path() / "a.jsonl").string())));
}

TEST_F(Training, AlpacasPromptHasNoPlaceForAHistory) {
  TrainingDataOptions options;
  options.form = "alpaca";
  EXPECT_THAT(refusal("a.jsonl", R"({"instruction": "i", "output": "o", "history": [["q", "a"]]})",
                      options),
              AllOf(HasSubstr("line 1 has a `system` text or a `history`"),
                    HasSubstr("data.template=chat")));
}

TEST_F(Training, PreferencePairsAndPicturesAreRefusedByName) {
  EXPECT_THAT(refusal("a.jsonl", R"({"prompt": "p", "chosen": "a", "rejected": "b"})"),
              HasSubstr("line 1 has `chosen`: preference pairs are not trained on"));
  EXPECT_THAT(refusal("a.jsonl", R"({"text": "p", "images": ["a.png"]})"),
              HasSubstr("line 1 has a picture, but the model does not read pictures"));
}

TEST_F(Training, OneObjectOverSeveralLinesIsOneRecord) {
  EXPECT_EQ(open("a.json", "\n{\n \"text\": \"a}\"\n}\n").size(), 1);
  EXPECT_EQ(open("b.json", "[\n {\n \"text\": \"a\"\n},\n {\n \"text\": \"b\"\n}\n]").size(), 2);
  EXPECT_EQ(open("c.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}").size(), 2);
  EXPECT_THAT(
      refusal("d.json", "{\n \"text\": \"a\"\n}\n{\n \"text\": \"b\"\n}"),
      AllOf(HasSubstr("line 1 is not valid JSON"), HasSubstr("a record a line, or is one list")));
}

TEST(RecordFile, FindsTheElementsOfAListWhateverTheyHold) {
  const testing::TempFolder folder;
  const fs::path file = folder.path() / "a.json";
  write_file(file, "\xEF\xBB\xBF [ {\"a\": \"}],{\\\"\"} ,\n[1, [2]], \"x,]\\\\\", 3 ]\n ");
  const RecordFile records = RecordFile::open(file);
  ASSERT_EQ(records.size(), 4);
  EXPECT_EQ(records.json(0)["a"], "}],{\"");
  EXPECT_EQ(records.json(1), Json::parse("[1, [2]]"));
  EXPECT_EQ(records.json(2), "x,]\\");
  EXPECT_EQ(records.json(3), 3);
  EXPECT_EQ(records.where(3), "record 4");
}

TEST(RecordFile, LinesAreNumberedAsEditorsDo) {
  const testing::TempFolder folder;
  const fs::path file = folder.path() / "a.txt";
  write_file(file, "\n\u3000\none\r\n\ntw\u00F6");
  const RecordFile records = RecordFile::open(file);
  ASSERT_EQ(records.size(), 2);
  EXPECT_EQ(records.text(0), "one");
  EXPECT_EQ(records.text(1), "tw\u00F6");
  EXPECT_EQ(records.where(0), "line 3");
  EXPECT_EQ(records.where(1), "line 5");
}

}  // namespace
}  // namespace mop
