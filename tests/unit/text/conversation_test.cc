#include "text/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/refusal.h"
#include "kit/upstream_keys.h"
#include "text/training_keys.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Conversation of(const std::string& json) { return conversation_of(Json::parse(json), "line 1"); }

std::string refusal(const std::string& json) {
  return testing::refusal_of([&] {
    const Json record = Json::parse(json);
    refuse_keys(record, record_keys(), "line 1");
    conversation_of(record, "line 1");
  });
}

TEST(Conversation, OpenAisWeightsSayWhichTurnsAreLearned) {
  const Conversation c = of(R"({"messages": [
      {"role": "user", "content": "a", "weight": 1}, {"role": "assistant", "content": "b", "weight": 0},
      {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", "weight": 1},
      {"role": "assistant", "content": "e"}]})");
  EXPECT_THAT(c.learned, ElementsAre(false, false, false, true, true));
  EXPECT_EQ(c.messages[1], Json::parse(R"({"role": "assistant", "content": "b"})"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "assistant", "content": "b", "weight": 0.5}]})"),
              HasSubstr("`weight` is 0.5, it can be 0 or 1"));
}

TEST(Conversation, ShareGptsRolesBecomeTheTemplates) {
  const Conversation c = of(R"({"system": "s", "conversations": [
      {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
      {"from": "user", "value": "c"}, {"from": "model", "value": "d"},
      {"from": "observation", "value": "e"}, {"from": "bot", "value": "f"}]})");
  EXPECT_EQ(c.messages, Json::parse(R"([
      {"role": "system", "content": "s"}, {"role": "user", "content": "a"},
      {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
      {"role": "assistant", "content": "d"}, {"role": "tool", "content": "e"},
      {"role": "assistant", "content": "f"}])"));
  EXPECT_THAT(c.learned, ElementsAre(false, false, true, false, true, false, true));
}

TEST(Conversation, CallsAndToolsAreObjectsWhateverTheyAreWrittenAs) {
  const Json call =
      Json::parse(R"([{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}])");
  const Conversation share_gpt = of(R"({"tools": "[{\"name\": \"f\"}]", "conversations": [
      {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"a\": 1}}"}]})");
  EXPECT_EQ(share_gpt.messages[0]["tool_calls"], call);
  EXPECT_EQ(share_gpt.options.tools,
            Json::parse(R"([{"type": "function", "function": {"name": "f"}}])"));
  const Conversation open_ai = of(R"({"tools": [{"type": "function", "function": {"name": "f"}}],
      "messages": [{"role": "assistant", "tool_calls": [
          {"type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}]})");
  EXPECT_EQ(open_ai.messages[0]["tool_calls"], call);
  EXPECT_EQ(open_ai.options.tools, share_gpt.options.tools);
  EXPECT_TRUE(of(R"({"tools": "", "messages": [{"role": "user"}]})").options.tools.is_null());
}

TEST(Conversation, AlpacasHistoryIsEarlierTurns) {
  const Conversation c = of(R"({"instruction": "i", "input": "n", "output": "o", "system": "s",
                                "history": [["q", "a"]]})");
  EXPECT_EQ(c.messages, Json::parse(R"([
      {"role": "system", "content": "s"}, {"role": "user", "content": "q"},
      {"role": "assistant", "content": "a"}, {"role": "user", "content": "i\nn"},
      {"role": "assistant", "content": "o"}])"));
  EXPECT_THAT(c.learned, ElementsAre(false, false, true, false, true));
  EXPECT_TRUE(is_conversation(Json::parse(R"({"instruction": "i", "system": "s"})")));
  EXPECT_FALSE(
      is_conversation(Json::parse(R"({"instruction": "i", "system": "", "history": []})")));
}

TEST(Conversation, OfAPromptAndItsCompletionTheSecondIsLearned) {
  const Conversation c = of(R"({"prompt": [{"role": "user", "content": "a"},
      {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
      "completion": [{"role": "assistant", "content": "d"}],
      "chat_template_kwargs": {"enable_thinking": false}})");
  EXPECT_THAT(c.learned, ElementsAre(false, false, false, true));
  EXPECT_EQ(c.options.variables["enable_thinking"], false);
}

TEST(Conversation, WhatWouldChangeTheMeaningIsRefusedByName) {
  for (const FormatKeys* format : {&record_keys(), &message_keys()}) {
    for (const KeyFate& row : format->keys) {
      if (row.fate != Fate::kRefused) continue;
      Json record = {{"messages", {{{"role", "user"}, {"content", "a"}}}}};
      Json& object = format == &record_keys() ? record : record["messages"][0];
      object[std::string(row.key)] = row.key == "label" ? Json(true) : Json("x");
      EXPECT_THAT(refusal(record.dump()), HasSubstr(fmt::format("line 1 has `{}`", row.key)));
      object[std::string(row.key)] = nullptr;
      EXPECT_EQ(refusal(record.dump()), "nothing was refused") << row.key;
    }
  }
  EXPECT_EQ(refusal(R"({"text": "a", "label": 3, "messages": [{"role": "user", "content": "a"}]})"),
            "nothing was refused");
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})"),
              HasSubstr("a part of type `image_url`, only texts are read"));
}

TEST(TrainingKeys, EveryDocumentedKeyHasAFate) {
  expect_every_key_has_a_fate(
      record_keys(), "training_record.json",
      {"video", "audio", "idx", "source", "dataset", "metadata", "__index_level_0__"});
  expect_every_key_has_a_fate(message_keys(), "training_message.json");
}

}  // namespace
}  // namespace mop
