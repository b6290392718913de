// Chat templates against transformers (tests/golden/chat, remade by
// tools/golden/chat_templates.py), and what is refused.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "text/jinja.h"
#include "text/training_data.h"
#include "unit/text/byte_tokenizer.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kHome = fs::path(MOP_SOURCE_DIR) / "tests/golden/chat";

// A folder as models have it: the template, and the special tokens.
std::shared_ptr<const ChatTemplate> open(const testing::TempFolder& folder,
                                         const std::string& source) {
  write_file(folder.path() / "tokenizer_config.json",
             R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}})");
  write_file(folder.path() / "chat_template.jinja", source);
  return read_chat_template(folder.path());
}

TEST(ChatTemplate, RendersWhatTransformersRenders) {
  const Json expected = read_json(kHome / "expected.json");
  const Json conversations = read_json(kHome / "conversations.json");
  const testing::TempFolder folder;
  for (const auto& [name, texts] : expected.items()) {
    const auto chat = open(folder, read_file(kHome / (name + ".jinja")));
    for (size_t i = 0; i < conversations.size(); ++i) {
      for (const bool ask : {false, true}) {
        const Json& text = texts[i][ask ? 1 : 0];
        const std::string which = name + ", conversation " + std::to_string(i);
        if (text.is_null()) {
          EXPECT_THROW(chat->render(conversations[i], {ask}), Error) << which;
        } else {
          EXPECT_EQ(chat->render(conversations[i], {ask}), text.get<std::string>()) << which;
        }
      }
    }
  }
}

TEST(ChatTemplate, IsFoundInTheTokenizersConfigToo) {
  const testing::TempFolder folder;
  EXPECT_EQ(read_chat_template(folder.path()), nullptr);
  const fs::path config = folder.path() / "tokenizer_config.json";
  write_file(config, R"({"bos_token": "<s>"})");
  EXPECT_EQ(read_chat_template(folder.path()), nullptr);
  const Json messages = Json::parse(R"([{"role": "user", "content": "x"}])");
  write_file(config, R"({"chat_template": "a{{ messages[0].content }}"})");
  EXPECT_EQ(read_chat_template(folder.path())->render(messages), "ax");
  write_file(config, R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                           {"name": "default", "template": "d"}]})");
  EXPECT_EQ(read_chat_template(folder.path())->render(messages), "d");
  const ChatOptions with_tools{.tools = Json::array()};
  EXPECT_EQ(read_chat_template(folder.path())->render(messages, with_tools), "t");
  write_file(folder.path() / "chat_template.jinja", "file");  // goes before the config's
  EXPECT_EQ(read_chat_template(folder.path())->render(messages, with_tools), "file");
  fs::create_directories(folder.path() / "additional_chat_templates");
  write_file(folder.path() / "additional_chat_templates/tool_use.jinja", "added");
  EXPECT_EQ(read_chat_template(folder.path())->render(messages, with_tools), "added");
  EXPECT_EQ(read_chat_template(folder.path())->render(messages), "file");
}

TEST(ChatTemplate, AProcessorsIsFoundWhereTheTokenizerHasNone) {
  const testing::TempFolder folder;
  write_file(folder.path() / "chat_template.json", R"({"chat_template": "p"})");
  EXPECT_EQ(read_chat_template(folder.path())->render({{{"role", "user"}}}), "p");
}

TEST(ChatTemplate, NullFieldsAreAbsentAndReasoningHasAllItsNames) {
  const testing::TempFolder folder;
  const auto chat = open(folder, "{{ messages | tojson }}");
  const Json messages =
      Json::parse(R"([{"role": "assistant", "content": null, "reasoning": "r"}])");
  EXPECT_EQ(
      chat->render(messages),
      R"([{"thinking": "r", "role": "assistant", "reasoning": "r", "reasoning_content": "r"}])");
  EXPECT_THROW(chat->render(Json::array()), Error);
  EXPECT_THROW(chat->render({"text"}), Error);
}

std::string refusal(const std::string& source, const Json& variables = Json::object()) {
  return testing::refusal_of([&] { JinjaTemplate(source).render(variables); });
}

// Offsets in characters, as Python counts them.
Json in_characters(const JinjaText& text) {
  const auto count = [&](size_t bytes) {
    return std::count_if(text.text.begin(), text.text.begin() + static_cast<ptrdiff_t>(bytes),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  };
  Json marks = Json::array();
  for (const auto& [begin, end] : text.generated) marks.push_back({count(begin), count(end)});
  return marks;
}

TEST(Jinja, EveryConstructRendersWhatTransformersRenders) {
  const Json templates = read_json(kHome / "jinja.json"),
             chat = read_json(kHome / "jinja_chat.json");
  const Json expected = read_json(kHome / "jinja_expected.json");
  ASSERT_EQ(templates.size(), expected.size());
  const Json variables = {{"messages", chat["messages"]}, {"tools", chat["tools"]},
                          {"bos_token", "<s>"},           {"eos_token", "</s>"},
                          {"documents", nullptr},         {"add_generation_prompt", true}};
  const JinjaTime now{1750000000, true};
  for (size_t i = 0; i < templates.size(); ++i) {
    const auto source = templates[i].get<std::string>();
    if (expected[i].is_null()) {
      EXPECT_THROW(JinjaTemplate(source).render(variables, now), Error) << source;
      continue;
    }
    try {
      const JinjaText text = JinjaTemplate(source).render_with_marks(variables, now);
      EXPECT_EQ(text.text, expected[i][0].get<std::string>()) << source;
      EXPECT_EQ(in_characters(text), expected[i][1]) << source;
    } catch (const Error& e) {
      ADD_FAILURE() << source << "\n" << e.what();
    }
  }
}

TEST(Jinja, SaysWhatItDoesNotKnowAndWhere) {
  EXPECT_THAT(
      refusal("a\n{% include 'x' %}"),
      AllOf(HasSubstr("the statement 'include' is not known"), HasSubstr("template line: 2")));
  // Other files: only where they are reached.
  for (const char* tag : {"import", "from", "extends"}) {
    EXPECT_THAT(refusal(fmt::format("{{% {} 'x' %}}", tag)),
                HasSubstr(fmt::format("the statement '{}' is not known", tag)));
    EXPECT_EQ(refusal(fmt::format("{{% if false %}}{{% {} 'x' %}}{{% endif %}}", tag)),
              "nothing was refused");
  }
  EXPECT_THAT(refusal("{{ x | wordwrap }}"), HasSubstr("the filter 'wordwrap' is not known"));
  EXPECT_THAT(refusal("{{ x is new }}"), HasSubstr("the test 'new' is not known"));
  EXPECT_THAT(refusal("{{ 'x'.encode() }}"), HasSubstr("the function 'encode' is not known"));
  EXPECT_THAT(refusal("{% if true %}"), HasSubstr("'endif' is missing"));
  EXPECT_THAT(refusal("{{ 'a }}"), HasSubstr("a tag is not closed"));
  EXPECT_THAT(refusal("{{ a b }}"), HasSubstr("expected the end of the tag, got 'b'"));
  EXPECT_THAT(refusal("{% endif %}"), HasSubstr("'endif' does not close an open block"));
  EXPECT_THAT(refusal("a\xFF{{ x }}"), HasSubstr("the template is not UTF-8"));
}

TEST(Jinja, WhatIsNotReachedNeedNotBeKnown) {
  EXPECT_EQ(JinjaTemplate("{% if x %}{{ x | wordwrap }}{{ x is new }}{{ x.encode() }}{{ f() }}"
                          "{% include 'x' %}{% trans %}{% endtrans %}{% endif %}a")
                .render(Json::object()),
            "a");
}

TEST(Jinja, SaysWhatItCannotDoWithTheseValues) {
  EXPECT_THAT(
      refusal("{{ nobody.name }}"),
      AllOf(HasSubstr("`nobody` is undefined, it has no `name`"), HasSubstr("template line: 1")));
  EXPECT_THAT(refusal("\n{{ 'a' + 1 }}"), HasSubstr("a text and a number cannot be added"));
  EXPECT_THAT(refusal("{{ raise_exception('no ' ~ x) }}", {{"x", 5}}),
              HasSubstr("the chat template refuses the conversation: no 5"));
  EXPECT_THAT(refusal("{% set x = [] %}{{ x.append(1) }}"),
              HasSubstr("a template may not change a list, as `append` would"));
}

TEST(Jinja, EndlessCallsAndDeepNestingAreErrors) {
  EXPECT_THAT(refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("200 deep"));
  EXPECT_THAT(refusal("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
              HasSubstr("200 deep"));
  EXPECT_THAT(refusal("{{ " + std::string(1000, '(') + "1" + std::string(1000, ')') + " }}"),
              HasSubstr("nested more than 200 deep"));
  std::string blocks;
  for (int i = 0; i < 1000; ++i) blocks += "{% if 1 %}";
  EXPECT_THAT(refusal(blocks), HasSubstr("nested more than 200 deep"));
  EXPECT_THAT(refusal("{{ 'a' * 10000000000 }}"), HasSubstr("cannot repeat a text"));
}

// `generated` of a rendering, as texts.
std::vector<std::string> generated(const std::string& source) {
  const JinjaText result = JinjaTemplate(source).render_with_marks(Json::object());
  std::vector<std::string> texts;
  for (const auto& [begin, end] : result.generated)
    texts.push_back(result.text.substr(begin, end - begin));
  return texts;
}

TEST(Jinja, GenerationBlocksAreRangesOfTheText) {
  EXPECT_THAT(
      generated("a{% generation %}b{% endgeneration %}c{% generation %}{% endgeneration %}"),
      ElementsAre("b", ""));
  EXPECT_THAT(generated("{% for i in [1, 2] %}{% with %}{% block x %}{% generation %}{{ i }}"
                        "{% endgeneration %}{% endblock %}{% endwith %};{% endfor %}"),
              ElementsAre("1", "2"));
  EXPECT_THAT(generated("{% generation %}a{% generation %}b{% endgeneration %}{% set x %}"
                        "{% generation %}{% endgeneration %}{% endset %}c{% endgeneration %}"),
              ElementsAre("abc"))
      << "the outermost";
}

// Nothing of a block is left in a value, which the template may cut and change.
TEST(Jinja, GenerationBlocksInValuesAreForgotten) {
  const std::string outside = "a{% generation %}b{% endgeneration %}";
  for (const char* inside :
       {"{% set m %}{% generation %}x{% endgeneration %}{% endset %}{{ m }}",
        "{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ m() }}",
        "{% filter upper %}{% generation %}x{% endgeneration %}{% endfilter %}"})
    EXPECT_THAT(generated(outside + inside), IsEmpty()) << inside;
  const JinjaTemplate stripped(
      "{% set m %}{% generation %}{% endgeneration %}{% endset %}{{ m.strip(m) }}{{ m|length }}");
  EXPECT_EQ(stripped.render_with_marks(Json::object()).text, "0");
}

TEST(Jinja, TheDateIsTheClocksOrSourceDateEpochs) {
  const JinjaTemplate date("{{ strftime_now('%Y-%m-%d') }}");
  ::setenv("SOURCE_DATE_EPOCH", "86400", 1);
  EXPECT_EQ(date.render(Json::object()), "1970-01-02");
  ::unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_NE(date.render(Json::object()), "1970-01-02");
}

TEST(ChatData, TheAssistantsWordsAndTheirEndAreLearned) {
  const testing::TempFolder folder;
  TrainingDataOptions options;
  options.chat = open(folder,
                      "{{ bos_token }}{% for m in messages %}[{{ m.role[0] }}]{{ m.content }}.{% "
                      "endfor %}{% if add_generation_prompt %}[a]{% endif %}");
  const fs::path file = folder.path() / "a.jsonl";
  write_file(file, R"({"messages": [{"role": "user", "content": "u"},
      {"role": "assistant", "content": "xy"}, {"role": "user", "content": "v"},
      {"role": "assistant", "content": "z"}]})");
  std::string one_line = read_file(file);
  std::erase(one_line, '\n');
  write_file(file, one_line);
  const TrainingData data =
      TrainingData::open(file, std::make_shared<testing::ByteTokenizer>(), options);
  const TrainingSample sample = data.sample(0);
  std::string text, learned;
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    text += static_cast<char>(sample.ids[i]);
    learned += sample.labels[i] == kNoLoss ? '-' : static_cast<char>(sample.labels[i]);
  }
  EXPECT_EQ(text, "<s>[u]u.[a]xy.[u]v.[a]z.");
  EXPECT_EQ(learned, "-----------xy.--------z.");
}

}  // namespace
}  // namespace mop
