// render_chats CHATS TEMPLATE... -- every conversation of CHATS (a JSON list of {messages, tools,
// ask}) through every template: {template: [text, or {error}]}. tools/check_templates.py compares
// it with jinja2.
#include <algorithm>
#include <iostream>

#include "base/error.h"
#include "base/files.h"
#include "text/assistant_turns.h"
#include "text/chat_template.h"

namespace mop {
namespace {

const Json kTokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};

// As training data has it: a call's arguments are objects, which not every template takes.
void add_turns(const ChatTemplate& chat, const Json& conversation, Json& result) {
  const Conversation data = conversation_of(conversation, "a conversation");
  result["learned"] = Json::array();
  result["lost"] = std::count(data.learned.begin(), data.learned.end(), true);
  try {
    const RenderedTurns spoken = find_turns(chat, data);
    result["learned"] = spoken.learned;
    result["lost"] = spoken.lost;
  } catch (const Error&) {
    return;
  }
}

Json render(const ChatTemplate& chat, const Json& conversation) {
  try {
    const ChatOptions options{conversation.value("ask", false),
                              conversation.value("tools", Json())};
    const JinjaText text = chat.render_with_marks(conversation["messages"], options);
    Json result = {{"text", text.text}, {"generated", text.generated}};
    if (options.add_generation_prompt) return result;
    add_turns(chat, conversation, result);
    return result;
  } catch (const Error& e) {
    return {{"error", e.what()}};
  }
}

Json render_all(const std::string& file, const Json& conversations) {
  try {
    const ChatTemplate chat({{"default", read_file(file)}}, kTokens);
    Json texts = Json::array();
    for (const Json& conversation : conversations) texts.push_back(render(chat, conversation));
    return texts;
  } catch (const Error& e) {
    return {{"error", e.what()}};
  }
}

}  // namespace
}  // namespace mop

int main(int count, char** arguments) {
  try {
    const mop::Json conversations = mop::read_json(arguments[1]);
    mop::Json result = mop::Json::object();
    for (int i = 2; i < count; ++i) {
      result[arguments[i]] = mop::render_all(arguments[i], conversations);
    }
    std::cout << result.dump() << "\n";
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
