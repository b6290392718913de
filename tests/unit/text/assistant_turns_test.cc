// Where the assistant's turns are found, for templates in the styles of known models.
#include "text/assistant_turns.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace mop {
namespace {

using ::testing::ElementsAre;

// The last turn alone is written with its thinking, as Qwen3's and DeepSeek R1's templates do.
constexpr const char* kThinks =
    "{% for m in messages %}{{ '<' + m.role + '>' }}"
    "{% if m.role == 'assistant' %}{% if loop.last %}{{ '[think]' }}{% endif %}"
    "{{ m.content.split('</think>')[-1] }}"
    "{% for c in m.tool_calls or [] %}{{ '{' + c.function.name + '}' }}{% endfor %}"
    "{% else %}{{ m.content }}{% endif %}{{ '<end>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";
// Roles must alternate, and nothing asks the assistant to speak.
constexpr const char* kAlternates =
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}"
    "{% if m.role == 'user' %}[{{ m.content }}]{% else %} {{ m.content | trim }}{{ eos_token }}"
    "{% endif %}{% endfor %}";
// What asks the assistant to speak also begins its thinking.
constexpr const char* kAsksToThink =
    "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<a><think>\n{% endif %}";
constexpr const char* kHidesCalls =
    "{% for m in messages %}<{{ m.role[0] }}>{{ m.tool_calls | length if m.tool_calls else "
    "m.content }}"
    "{% if loop.last %}$${% else %}.{% endif %}{% endfor %}";

RenderedTurns found(const std::string& source, const std::string& messages) {
  const ChatTemplate chat({{"default", source}}, {{"bos_token", "^"}, {"eos_token", "$"}});
  return find_turns(chat, conversation_of({{"messages", Json::parse(messages)}}, "line 1"));
}

std::vector<std::string> learned(const RenderedTurns& spoken) {
  std::vector<std::string> texts;
  for (const auto& [begin, end] : spoken.learned)
    texts.push_back(spoken.text.substr(begin, end - begin));
  return texts;
}

constexpr const char* kTwoTurns = R"([{"role": "user", "content": "u"},
    {"role": "assistant", "content": "one"}, {"role": "user", "content": "v"},
    {"role": "assistant", "content": "two "}])";

TEST(AssistantTurns, EarlierTurnsAreFoundAsTheyStandInTheWhole) {
  const RenderedTurns spoken = found(kThinks, kTwoTurns);
  EXPECT_EQ(spoken.text,
            "<user>u<end>\n<assistant>one<end>\n<user>v<end>\n<assistant>[think]two <end>\n");
  EXPECT_THAT(learned(spoken), ElementsAre("one<end>\n", "[think]two <end>\n"));
  EXPECT_EQ(spoken.lost, 0);
}

TEST(AssistantTurns, ThinkingThatIsCutAwayIsNotMissed) {
  EXPECT_THAT(learned(found(kThinks, R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": "<think>hm</think>one"}, {"role": "user", "content": "v"},
      {"role": "assistant", "content": "<think>so</think>two"}])")),
              ElementsAre("one<end>\n", "[think]two<end>\n"));
}

TEST(AssistantTurns, TheFirstMessageMayBeTheAssistants) {
  EXPECT_THAT(learned(found(kThinks, R"([{"role": "assistant", "content": "one"},
      {"role": "assistant", "content": "two"}])")),
              ElementsAre("one<end>\n", "[think]two<end>\n"));
}

TEST(AssistantTurns, CallsAreSpokenToo) {
  EXPECT_THAT(learned(found(kThinks, R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]},
      {"role": "tool", "content": "r"}, {"role": "assistant", "content": "two"}])")),
              ElementsAre("{f}<end>\n", "[think]two<end>\n"));
}

// As gpt-oss: one call is written, its name again before the result, and the text only when last.
TEST(AssistantTurns, ACallWhoseNameStandsElsewhereTooIsFoundByItsArguments) {
  const std::string names_twice =
      "{% for m in messages %}{% if m.tool_calls %}<a>{% if loop.last %}{{ m.content }}{% endif %}"
      "to {{ m.tool_calls[0].function.name }} {{ m.tool_calls[0].function.arguments | tojson }}!"
      "{% elif m.role == 'tool' %}<from {{ messages[1].tool_calls[0].function.name }}>{{ m.content "
      "}}"
      "{% else %}<{{ m.role[0] }}>{{ m.content }}{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}<a>{% endif %}";
  for (const char* arguments : {R"({"k": 1})", R"("k")"}) {
    const RenderedTurns spoken =
        found(names_twice, fmt::format(R"([{{"role": "user", "content": "u"}},
        {{"role": "assistant", "content": "Well", "tool_calls": [
            {{"function": {{"name": "f", "arguments": {0}}}}},
            {{"function": {{"name": "g", "arguments": {0}}}}}]}},
        {{"role": "tool", "content": "r"}}, {{"role": "assistant", "content": "two"}}])",
                                       arguments));
    EXPECT_THAT(learned(spoken), ElementsAre(fmt::format("to f {}!", arguments), "two"));
    EXPECT_EQ(spoken.lost, 0);
  }
}

// As Nemotron Nano: the last turn lacks a line end, and its thinking is asked for.
TEST(AssistantTurns, ACallBehindAnEmptyTextIsFound) {
  const std::string line_end =
      "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}"
      "{% if m.tool_calls and not loop.last %}{{ '\n' }}{% endif %}"
      "{% for c in m.tool_calls or [] %}<tool>{{ c.function.name }}</tool>{% endfor %}{% endfor %}"
      "{% if add_generation_prompt %}<a>{{ '\n' }}<think>{% endif %}";
  const RenderedTurns spoken = found(line_end, R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]},
      {"role": "tool", "content": "r"}, {"role": "assistant", "content": "two"}])");
  EXPECT_EQ(spoken.text, "<u>u<a>\n<tool>f</tool><t>r<a>two");
  EXPECT_THAT(learned(spoken), ElementsAre("<tool>f</tool>", "two"));
}

TEST(AssistantTurns, TemplatesThatRefuseOrAskForNothingAreFollowed) {
  EXPECT_THAT(learned(found(kAlternates, kTwoTurns)), ElementsAre(" one$", " two$"));
  EXPECT_THAT(learned(found(kAsksToThink, kTwoTurns)), ElementsAre("one", "two "));
}

// Tools stand before the last question, wherever that is, as in Mistral's templates.
TEST(AssistantTurns, WhatMovesInTheTextDoesNotMatter) {
  const std::string moves =
      "{% set users = messages | selectattr('role', 'equalto', 'user') | list %}"
      "{% for m in messages %}{% if m == users[-1] %}(tools){% endif %}"
      "{% if m.role == 'assistant' and m.tool_calls %}{CALL {{ m.tool_calls[0].function.name }}}$"
      "{% elif m.role == 'assistant' %}{{ m.content }}$"
      "{% else %}[{{ m.content }}]{% endif %}{% endfor %}";
  EXPECT_THAT(learned(found(moves, R"([{"role": "user", "content": "u"},
      {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
      {"role": "tool", "content": "r"}, {"role": "assistant", "content": "one"},
      {"role": "user", "content": "v"}, {"role": "assistant", "content": "two"}])")),
              ElementsAre("{CALL f}$", "one$", "two$"));
}

TEST(AssistantTurns, GenerationBlocksSayItThemselves) {
  const std::string marks =
      "{% for m in messages %}<{{ m.role[0] }}>{% if m.role == 'assistant' %}"
      "{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %};{% "
      "endfor %}";
  EXPECT_THAT(learned(found(marks, kTwoTurns)), ElementsAre("one", "two "));
  EXPECT_THAT(learned(found(marks, R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": "one", "weight": 0}, {"role": "user", "content": "v"},
      {"role": "assistant", "content": "two"}])")),
              ElementsAre("two"));
}

TEST(AssistantTurns, ATurnWhosePlaceCannotBeFoundIsCounted) {
  const RenderedTurns spoken = found(kHidesCalls, R"([{"role": "user", "content": "u"},
      {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
      {"role": "user", "content": "v"}, {"role": "assistant", "content": "two"}])");
  EXPECT_EQ(spoken.text, "<u>u.<a>1.<u>v.<a>two$$");
  EXPECT_EQ(spoken.lost, 1);
  EXPECT_THAT(learned(spoken), ElementsAre(::testing::HasSubstr("two$$")));
}

}  // namespace
}  // namespace mop
