// eval/tasks/message.cc
#include "eval/tasks/message.h"

#include "base/error.h"
#include "text/record_pictures.h"

namespace mop {
namespace {

std::string rendered(const Json& messages, bool asks, const ChatTemplate& chat, size_t pictures) {
  const ChatOptions options{.add_generation_prompt = asks};
  const Conversation conversation = as_template_expects({messages, {}, options}, chat, pictures);
  return chat.render(conversation.messages, options);
}

// Returns the text of `whole` from the end of the question to the end of `answer`.
std::string answer_in(const std::string& whole, const std::string& asked,
                      const std::string& answer) {
  const size_t at = whole.starts_with(asked) ? whole.find(answer, asked.size()) : whole.npos;
  if (at != whole.npos) return whole.substr(asked.size(), at + answer.size() - asked.size());
  throw bad_input("the chat template renders a given answer differently from the prompt for it")
      .where("prompt", asked)
      .where("with answer", whole)
      .hint("use a task that does not use the chat template");
}

}  // namespace

void write_as_message(TaskItem& item, const ChatTemplate& chat) {
  std::string question, asked;
  for (TextRequest& request : item.requests) {
    Json messages = {{{"role", "user"}, {"content", request.context}}};
    if (asked.empty() || question != request.context) {
      question = request.context;
      asked = rendered(messages, true, chat, item.pictures.size());
    }
    const std::string answer = request.continuation.substr(1);  // without the leading space
    messages.push_back({{"role", "assistant"}, {"content", answer}});
    request = {asked,
               answer_in(rendered(messages, false, chat, item.pictures.size()), asked, answer)};
  }
  item.special = chat.specials_of(asked);
}

}  // namespace mop
