// text/conversation.h -- a record of a data file as a conversation in the chat template's terms.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

namespace mop {

struct Conversation {
  Json messages = Json::array();   ///< {role, content, ...}: what the template gets
  std::vector<bool> learned = {};  ///< of each message: it is the assistant's, and to be learned
  ChatOptions options = {};        ///< tools, and variables of the record's own
  /// Their roles, each once, in order.
  std::vector<std::string> roles() const;
};

/// Whether the record is a conversation: it has `messages` (OpenAI), `conversations` (ShareGPT),
/// `prompt` and `completion` that are messages, or an instruction with a `system` text or a
/// `history` (LLaMA-Factory's form of Alpaca).
bool is_conversation(const Json& record);

/// Also of an Alpaca record and of prompt and completion that are texts. A message's `weight`
/// decides whether it is learned; ShareGPT's `from` becomes the role (human: user; gpt, model, bot:
/// assistant; function_call: the assistant's call; observation: tool); `tools` may be JSON in a
/// text. Throws Error(kBadInput) naming `where`.
Conversation conversation_of(const Json& record, const std::string& where);

/// The record's keys that it reads.
std::span<const std::string_view> conversation_keys(const Json& record);

}  // namespace mop
