// Chat templates against transformers (tests/golden/chat, remade by
// tools/golden/chat_templates.py), and what is refused.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "text/jinja.h"
#include "text/training_data.h"
#include "unit/text/byte_tokenizer.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

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
}

std::string refusal(const std::string& source, const Json& variables = Json::object()) {
  try {
    JinjaTemplate(source).render(variables);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    return e.what();
  }
  return "nothing was refused";
}

TEST(Jinja, SaysWhatItDoesNotKnowAndWhere) {
  EXPECT_THAT(
      refusal("a\n{% macro f() %}{% endmacro %}"),
      AllOf(HasSubstr("the statement 'macro' is not known"), HasSubstr("template line: 2")));
  EXPECT_THAT(refusal("{{ x | wordwrap }}"), HasSubstr("the filter 'wordwrap' is not known"));
  EXPECT_THAT(refusal("{{ x is callable }}"), HasSubstr("the test 'callable' is not known"));
  EXPECT_THAT(refusal("{{ x.format(1) }}"), HasSubstr("the method 'format' is not known"));
  EXPECT_THAT(refusal("{{ strftime_now('%d') }}"),
              HasSubstr("the function 'strftime_now' is not known"));
  EXPECT_THAT(refusal("{% if true %}"), HasSubstr("'endif' is missing"));
  EXPECT_THAT(refusal("{{ 'a }}"), HasSubstr("a tag is not closed"));
  EXPECT_THAT(refusal("{{ a b }}"), HasSubstr("'b' stands where the tag should end"));
}

TEST(Jinja, SaysWhatItCannotDoWithTheseValues) {
  EXPECT_THAT(refusal("{{ nobody.name }}"), AllOf(HasSubstr("something undefined has no `name`"),
                                                  HasSubstr("template line: 1")));
  EXPECT_THAT(refusal("\n{{ 'a' + 1 }}"), HasSubstr("a string and a number cannot be added"));
  EXPECT_THAT(refusal("{{ raise_exception('no ' ~ x) }}", {{"x", 5}}),
              HasSubstr("the chat template refuses the conversation: no 5"));
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
