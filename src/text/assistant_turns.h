// text/assistant_turns.h -- where the assistant speaks in the text of a conversation.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text/conversation.h"

namespace mop {

struct SpokenText {
  std::string text;  ///< the whole conversation, rendered once
  /// Bytes [begin, end) of each turn that is to be learned: what follows the words that ask the
  /// assistant to speak, up to and with the words that end the turn; of a template with
  /// `generation` blocks, these.
  std::vector<std::pair<size_t, size_t>> learned;
  int64_t lost = 0;  ///< turns that are to be learned, and whose place was not found
};

/// Throws Error(kBadInput) with the template's complaint.
SpokenText find_turns(const ChatTemplate& chat, const Conversation& conversation);

}  // namespace mop
