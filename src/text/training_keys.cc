// text/training_keys.cc
#include "text/training_keys.h"

#include "base/error.h"

namespace mop {
namespace {

constexpr Fate kHonoured = Fate::kHonoured, kRefused = Fate::kRefused, kIgnored = Fate::kIgnored;

constexpr KeyFate kRecord[] = {
    {"messages", kHonoured, "a conversation, OpenAI's form"},
    {"conversations", kHonoured, "a conversation, ShareGPT's form: from and value"},
    {"tools", kHonoured, "given to the chat template"},
    {"chat_template_kwargs", kHonoured, "variables for the chat template"},
    {"system", kHonoured, "the system message of ShareGPT and Alpaca records"},
    {"history", kHonoured, "earlier turns of an Alpaca record, learned too"},
    {"instruction", kHonoured, "Alpaca's task"},
    {"input", kHonoured, "what Alpaca's task is about"},
    {"output", kHonoured, "Alpaca's answer, which is learned"},
    {"prompt", kHonoured, "a text or messages, not learned"},
    {"completion", kHonoured, "a text or messages, learned"},
    {"text", kHonoured, "a text, all of it is learned"},
    {"image", kHonoured, "a file with the picture that <image> stands for; LLaVA alone reads it"},
    {"images", kHonoured, "the same, several"},
    {"video", kRefused, "videos are not read"},
    {"videos", kRefused, "videos are not read"},
    {"audio", kRefused, "audio is not read"},
    {"audios", kRefused, "audio is not read"},
    {"chosen", kRefused, "preference pairs are not trained on"},
    {"rejected", kRefused, "preference pairs are not trained on"},
    {"preferred_output", kRefused, "preference pairs are not trained on"},
    {"non_preferred_output", kRefused, "preference pairs are not trained on"},
    {"kto_tag", kRefused, "answers that are only liked or disliked are not trained on"},
    {"label", kRefused, "answers that are only liked or disliked are not trained on"},
    {"completions", kRefused, "steps with labels are not trained on"},
    {"functions", kRefused, "the form before `tools`"},
    {"function_call", kRefused, "the form before `tools`"},
    {"parallel_tool_calls", kIgnored, "no chat template knows it"},
    {"id", kIgnored, "a name of the record"},
    {"idx", kIgnored, "a name of the record"},
    {"prompt_id", kIgnored, "a name of the record"},
    {"source", kIgnored, "where the record comes from"},
    {"dataset", kIgnored, "where the record comes from"},
    {"metadata", kIgnored, "about the record"},
    {"__index_level_0__", kIgnored, "the number of a pandas row"},
};

constexpr KeyFate kMessage[] = {
    {"role", kHonoured, "who speaks; the assistant is learned"},
    {"content", kHonoured, "a text, or a list of parts that are texts or the record's pictures"},
    {"from", kHonoured, "ShareGPT's role"},
    {"value", kHonoured, "ShareGPT's content"},
    {"weight", kHonoured, "0: this turn is not learned"},
    {"name", kHonoured, "given to the chat template"},
    {"tool_calls", kHonoured, "given to the chat template, arguments as objects"},
    {"tool_call_id", kHonoured, "given to the chat template"},
    {"reasoning_content", kHonoured, "given to the chat template"},
    {"reasoning", kHonoured, "reasoning_content's other name"},
    {"thinking", kHonoured, "reasoning_content's other name"},
    {"function_call", kRefused, "the form before `tool_calls`"},
    {"audio", kRefused, "audio is not read"},
    {"images", kRefused, "pictures are named by the record, not by a message"},
    {"refusal", kRefused, "a refusal is not part of any chat template: put it in `content`"},
    {"annotations", kIgnored, "links to sources, beside the text"},
};

// Empty values count as absent. `label` is also used for the class of a text, which has no effect
// here.
bool is_empty_value(std::string_view key, const Json& value) {
  if (key == "label") return !value.is_boolean();
  return value.is_null() || (!value.is_number() && !value.is_boolean() && value.empty()) ||
         is_empty_text(value);
}

}  // namespace

bool is_empty_text(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().empty();
}

const FormatKeys& record_keys() {
  static const FormatKeys format = {"training data: a record", kRecord};
  return format;
}

const FormatKeys& message_keys() {
  static const FormatKeys format = {"training data: a message", kMessage};
  return format;
}

void refuse_keys(const Json& object, const FormatKeys& format, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    const KeyFate* fate = find_fate(format, key);
    if (fate == nullptr || fate->fate != kRefused || is_empty_value(key, value)) continue;
    throw bad_input("{} has `{}`: {}", where, key, fate->why);
  }
}

}  // namespace mop
