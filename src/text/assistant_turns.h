// text/assistant_turns.h -- finds the assistant's turns in a rendered conversation.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text/conversation.h"

namespace mop {

struct RenderedTurns {
  std::string text;  ///< the rendered conversation
  /// Byte ranges [begin, end) of the turns to learn. A turn begins after the generation prompt and
  /// includes the text that ends it; for a template with `generation` blocks, the ranges of these
  /// blocks.
  std::vector<std::pair<size_t, size_t>> learned;
  int64_t lost = 0;  ///< turns to learn whose position was not found
};

/// Throws Error(kBadInput) with the template's message.
RenderedTurns find_turns(const ChatTemplate& chat, const Conversation& conversation);

}  // namespace mop
