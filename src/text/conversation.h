// text/conversation.h -- converts a record of a data file to a conversation for the chat template.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

namespace mop {

struct Conversation {
  Json messages = Json::array();   ///< {role, content, ...}, the template's input
  std::vector<bool> learned = {};  ///< per message: an assistant turn to learn
  ChatOptions options = {};        ///< tools, and template variables of the record
  /// The distinct roles, in order.
  std::vector<std::string> roles() const;
};

/// Returns whether the record is a conversation: `messages` (OpenAI), `conversations` (ShareGPT),
/// `prompt` and `completion` that are lists of messages, or an instruction with a `system` text or
/// a `history` (LLaMA-Factory's Alpaca).
bool is_conversation(const Json& record);

/// Converts a conversation, an Alpaca record, or a prompt and completion. A message's `weight` of 0
/// excludes it from learning. ShareGPT's `from` becomes the role (human: user; gpt, model, bot:
/// assistant; function_call: a tool call of the assistant; observation: tool). `tools` may be a
/// JSON string. Throws Error(kBadInput) naming `where`.
Conversation conversation_of(const Json& record, const std::string& where);

/// Returns the keys of the record that the conversion reads.
std::span<const std::string_view> conversation_keys(const Json& record);

}  // namespace mop
