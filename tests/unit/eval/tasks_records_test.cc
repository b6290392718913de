// Records become the requests that lm-evaluation-harness makes of them.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "eval/tasks/message.h"
#include "eval/tasks/python_random.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task_data.h"
#include "kit/random_model.h"
#include "kit/refusal.h"

namespace mop {
namespace {

using ::testing::HasSubstr;

TaskItem read(const std::string& task, const Json& record) {
  return find_task(task).read(record, "test");
}

std::string message_of(const std::string& task, const Json& record) {
  try {
    read(task, record);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(PythonText, KnowsTheWhiteSpaceOfPython) {
  EXPECT_EQ(strip("\x1c \u00a0\u3000x\u2003\n"), "x");
  EXPECT_EQ(trailing_space("a\u00a0 "), 3u);
  EXPECT_EQ(num_words(" a  b\nc "), 5);
  EXPECT_EQ(num_characters("Zoë’s"), 5);
}

TEST(PythonText, CapitalizesTheFirstLetterAndLowersTheRest) {
  EXPECT_EQ(capitalize("éVA AND He"), "Éva and he");
  EXPECT_EQ(capitalize(""), "");
}

TEST(PythonText, ReplacesFromLeftToRightOnce) {
  EXPECT_EQ(replace_all("aaaa b", "aa", "a"), "aa b");
}

TEST(TaskRecords, HellaswagPromptIsCapitalizedAndCleaned) {
  const TaskItem item = read("hellaswag", {{"activity_label", "Cook"},
                                           {"ctx_a", "[header] A pot [title] Boil."},
                                           {"ctx_b", "THE man"},
                                           {"endings", {"[title] a  b", "c [step] d", "e", "f"}},
                                           {"label", "2"}});
  EXPECT_EQ(item.requests[0].context, "Cook: A pot. Boil. The man");
  EXPECT_EQ(item.requests[0].continuation, "  a b");
  EXPECT_EQ(item.requests[1].continuation, " c d");
  EXPECT_EQ(item.choice_chars[1], 3);
  EXPECT_EQ(item.gold, 2);
}

TEST(TaskRecords, WinograndeScoresWhatFollowsTheBlankBehindEachOption) {
  const TaskItem item =
      read("winogrande",
           {{"sentence", "So _ ran."}, {"option1", "Al"}, {"option2", "Bo"}, {"answer", "2"}});
  EXPECT_EQ(item.requests[0].context, "So Al");
  EXPECT_EQ(item.requests[1].context, "So Bo");
  EXPECT_EQ(item.requests[1].continuation, " ran.");
  EXPECT_EQ(item.gold, 1);
}

TEST(TaskRecords, OpenbookqaKeyMayHaveBlanksInFront) {
  const Json choices = {{"text", {"x", "y"}}, {"label", {"A", "B"}}};
  const TaskItem item =
      read("openbookqa", {{"question_stem", "Q"}, {"choices", choices}, {"answerKey", " B"}});
  EXPECT_EQ(item.gold, 1);
  EXPECT_EQ(item.requests[0].context, "Q");
}

TEST(TaskRecords, BoolqAsksNoBeforeYes) {
  const TaskItem item = read("boolq", {{"passage", "P."}, {"question", "is it"}, {"label", 1}});
  EXPECT_EQ(item.requests[0].context, "P.\nQuestion: is it?\nAnswer:");
  EXPECT_EQ(item.requests[0].continuation, " no");
  EXPECT_EQ(item.shot_answer, "yes");
}

TEST(TaskRecords, LambadaSplitsAtTheLastBlank) {
  const TaskItem item = read("lambada_openai", {{"text", "a b c"}});
  EXPECT_EQ(item.requests[0].context, "a b");
  EXPECT_EQ(item.requests[0].continuation, " c");
}

TEST(TaskRecords, WikitextIsDetokenizedButCountedAsItWas) {
  const TaskItem item =
      read("wikitext", {{"page", "1 @,@ 000 ( old ) friends ' \" x \" = = 5 ° N , it 's"}});
  EXPECT_EQ(item.requests[0].continuation, "1,000 (old) friends'\"x\" == 5°N, it's");
  EXPECT_EQ(item.words, 19);
  EXPECT_EQ(item.bytes, 52);
}

TEST(TaskRecords, RefusalsNameTheRecordAndWhatIsWrong) {
  const Json choices = {{"text", {"x", "y"}}, {"label", {"A", "B"}}};
  EXPECT_THAT(message_of("arc_easy", {{"question", "Q"}, {"choices", choices}, {"answerKey", "C"}}),
              HasSubstr("answerKey 'C' is none of the labels"));
  EXPECT_THAT(message_of("piqa", {{"goal", "g"}, {"sol1", "a"}, {"sol2", "b"}, {"label", -1}}),
              HasSubstr("a split without answers cannot be evaluated"));
  EXPECT_THAT(message_of("winogrande", {{"sentence", "no blank"}}), HasSubstr("has no blank"));
  EXPECT_THAT(message_of("boolq", {{"passage", "P"}, {"label", 1}}), HasSubstr("question"));
}

TEST(TaskData, AFileWithoutPartsOfTheContextIsAnotherTask) {
  testing::TempFolder folder;
  write_file(folder.path() / "hellaswag-validation.jsonl",
             R"({"activity_label":"A","ctx":"b c","endings":["x","y"],"label":"0"})"
             "\n");
  const TaskFile file = read_task_file(find_task("hellaswag"), folder.path());
  EXPECT_EQ(file.task->name, "hellaswag_ctx");
  EXPECT_EQ(file.items[0].requests[0].context, "A: b c");
}

// Records are read on several threads.
TEST(TaskData, TheFirstOfSeveralBrokenLinesIsNamedAndOrderIsKept) {
  testing::TempFolder folder;
  const auto write = [&](std::span<const int> broken) {
    std::string lines = "\n";
    for (int i = 0; i < 300; ++i) {
      const bool bad = std::find(broken.begin(), broken.end(), i) != broken.end();
      lines += bad ? "[]\n"
                   : fmt::format(R"({{"text":"word {}"}})"
                                 "\n",
                                 i);
    }
    write_file(folder.path() / "lambada-openai-test.jsonl", lines);
  };
  write({});
  const TaskFile file = read_task_file(find_task("lambada_openai"), folder.path());
  ASSERT_EQ(file.items.size(), 300);
  EXPECT_EQ(file.items[217].requests[0].continuation, " 217");
  write(std::array{299, 120, 201});
  try {
    read_task_file(find_task("lambada_openai"), folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 122 is not a JSON object"));
    EXPECT_THAT(error.what(), HasSubstr("lambada-openai-test.jsonl"));
  }
}

// As the reference's loader takes them.
TEST(TaskData, RecordsMayStandInOneList) {
  testing::TempFolder folder;
  write_file(folder.path() / "lambada-openai-test.jsonl", R"([{"text":"a b"}, {"text":"c d"}])");
  const TaskFile file = read_task_file(find_task("lambada_openai"), folder.path());
  ASSERT_EQ(file.items.size(), 2);
  EXPECT_EQ(file.items[1].requests[0].continuation, " d");
}

TEST(TaskData, AMissingFileIsNamed) {
  testing::TempFolder folder;
  try {
    read_task_file(find_task("piqa"), folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("piqa-validation.jsonl"));
  }
}

TEST(TaskData, ExamplesFromTheEvaluatedFileAreNeverTheQuestionItself) {
  testing::TempFolder folder;
  std::string lines;
  for (int i = 0; i < 6; ++i) lines += fmt::format(R"({{"text":"w{} end"}})", i) + "\n";
  write_file(folder.path() / "lambada-openai-test.jsonl", lines);
  const TaskFile file = read_task_file(find_task("lambada_openai"), folder.path());
  Shots shots(file, folder.path(), 5);
  EXPECT_EQ(shots.source(), "the evaluated file");
  for (int64_t i = 0; i < 6; ++i) {
    const std::string text = shots.next(i);
    EXPECT_THAT(text, ::testing::Not(HasSubstr(fmt::format("w{} ", i))));
    EXPECT_EQ(std::count(text.begin(), text.end(), 'w'), 5);
  }
}

// Of a test split, the reference draws K numbers and excludes nothing: one draw more would change
// all examples after it.
TEST(TaskData, ExamplesOfATestSplitAreTheReferencesButForTheQuestionItself) {
  testing::TempFolder folder;
  constexpr int64_t kRecords = 9, kShots = 3;
  std::string lines;
  for (int i = 0; i < kRecords; ++i) lines += fmt::format(R"({{"text":"w{} end"}})", i) + "\n";
  write_file(folder.path() / "lambada-openai-test.jsonl", lines);
  const TaskFile file = read_task_file(find_task("lambada_openai"), folder.path());
  Shots shots(file, folder.path(), kShots);
  PythonRandom random(1234);
  int64_t replaced = 0;
  for (int64_t i = 0; i < kRecords; ++i) {
    std::string expected;
    const std::vector<int64_t> drawn = random.sample(kRecords, kShots);
    for (int64_t number : drawn) {
      const bool own = number == i;
      while (own && std::ranges::find(drawn, number) != drawn.end())
        number = (number + 1) % kRecords;
      replaced += own ? 1 : 0;
      expected += fmt::format("w{}  end\n\n", number);
    }
    EXPECT_EQ(shots.next(i), expected) << i;
  }
  EXPECT_GT(replaced, 0) << "no question was drawn: the exception is not tested";
}

TEST(TaskTable, UnknownNamesListTheKnownOnes) {
  try {
    find_task("pica");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("lambada_openai"));
  }
}

// The prompts of LLaVA-1.5's own evaluation.
TEST(TaskRecords, ScienceqaIsAskedInThreeForms) {
  const Json record = {{"question", "Which is solid?"},
                       {"choices", {"ice", "dark steam"}},
                       {"answer", 1},
                       {"hint", "Water freezes."},
                       {"image", "a.png"}};
  const TaskItem letters = read("scienceqa", record);
  EXPECT_EQ(letters.requests[1].context,
            "<image>\nContext: Water freezes.\nWhich is solid?\nA. ice\nB. dark steam\n"
            "Answer with the option's letter from the given choices directly.");
  EXPECT_EQ(letters.requests[1].continuation, " B");
  EXPECT_EQ(letters.gold, 1);
  EXPECT_THAT(letters.pictures, ::testing::ElementsAre("a.png"));
  const TaskItem choices = read("scienceqa_choices", record);
  EXPECT_EQ(choices.requests[1].context, "<image>\nContext: Water freezes.\nWhich is solid?");
  EXPECT_EQ(choices.requests[1].continuation, " dark steam");
  const TaskItem plain = read("scienceqa_plain", record);
  EXPECT_EQ(plain.requests[0].context,
            "<image>\nQuestion: Which is solid?\nOptions: (A) ice (B) dark steam\nAnswer:");
  EXPECT_EQ(plain.requests[0].continuation, " A");
}

TEST(TaskRecords, AQuestionThatSaysWhereItsPictureIsKeepsItThere) {
  const TaskItem item =
      read("pope", {{"image", "a.png"}, {"text", "Is a dog in <image>?"}, {"label", "yes"}});
  EXPECT_EQ(item.requests[0].context,
            "Is a dog in <image>?\nAnswer the question using a single word or phrase.");
}

TEST(TaskRecords, PopeAnswersYesFirst) {
  const Json record = {{"image", "a.png"}, {"text", "Is there a dog?"}, {"label", "no"}};
  EXPECT_EQ(read("pope", record).requests[0].continuation, " Yes");
  EXPECT_EQ(read("pope", record).gold, 1);
  EXPECT_EQ(read("pope_choices", record).requests[1].continuation, " no");
  EXPECT_EQ(read("pope_choices", record).requests[1].context, "<image>\nIs there a dog?");
}

TEST(TaskRecords, WhatCannotBeAskedAboutAPictureIsNamed) {
  EXPECT_THAT(message_of("pope", {{"image", "a"}, {"text", "b"}, {"label", "maybe"}}),
              HasSubstr("the label is 'maybe', expected yes or no"));
  EXPECT_THAT(message_of("pope", {{"image", 3}, {"text", "b"}, {"label", "no"}}),
              HasSubstr("`image` must name files"));
  EXPECT_THAT(message_of("scienceqa", {{"question", "a"}, {"choices", {"b"}}, {"answer", 1}}),
              HasSubstr("the answer is number 1 of 1 choices"));
  const Json many(27, "x");
  EXPECT_THAT(message_of("scienceqa", {{"question", "a"}, {"choices", many}, {"answer", 1}}),
              HasSubstr("27 choices"));
}

TaskItem asked_by(const std::string& source) {
  TaskItem item = read("pope_choices", {{"image", "a.png"}, {"text", "dog?"}, {"label", "no"}});
  write_as_message(item, ChatTemplate({{"default", source}}, Json::object()));
  return item;
}

TEST(TaskMessages, AnswersStandAsTheTemplateWritesThem) {
  const TaskItem space = asked_by(
      "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}"
      "{% if add_generation_prompt %}assistant:{% endif %}");
  EXPECT_EQ(space.requests[0].context, "user: <image>\ndog? assistant:");
  EXPECT_EQ(space.requests[0].continuation, " yes");
  const TaskItem line = asked_by(
      "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}</s>{% endfor %}"
      "{% if add_generation_prompt %}[assistant]\n{% endif %}");
  EXPECT_EQ(line.requests[1].context, "[user]\n<image>\ndog?</s>[assistant]\n");
  EXPECT_EQ(line.requests[1].continuation, "no");
  EXPECT_EQ(line.special, Special::kNone);
}

TEST(TaskMessages, ATemplateThatAsksOtherwiseThanItWritesIsAnError) {
  EXPECT_THAT(testing::refusal_of([] {
                asked_by(
                    "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}"
                    "{% if add_generation_prompt %}assistant: <think>{% endif %}");
              }),
              HasSubstr("renders a given answer differently from the prompt for it"));
}

}  // namespace
}  // namespace mop
