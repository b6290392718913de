// text/chat_samples.cc
#include "text/chat_samples.h"

#include "base/error.h"
#include "text/record_pictures.h"
#include "text/training_keys.h"

namespace mop {

std::string ChatSamples::text(const Json& record, const std::string& where) {
  if (chat_ == nullptr && !model_.empty()) chat_ = read_chat_template(model_);
  if (chat_ == nullptr) {
    throw bad_input("{} is a conversation, but the model has no chat template", where)
        .hint("give the model's folder a chat_template.jinja, or samples of another form");
  }
  refuse_keys(record, record_keys(), where);
  try {
    const Conversation conversation = as_template_expects(conversation_of(record, where), *chat_,
                                                          pictures_of(record, where).size());
    std::string text = chat_->render(conversation.messages, conversation.options);
    const std::string bos = chat_->bos();
    return text.starts_with(bos) ? text.substr(bos.size()) : text;
  } catch (Error& e) {
    throw std::move(e).where("sample", where);
  }
}

}  // namespace mop
