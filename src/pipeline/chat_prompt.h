// pipeline/chat_prompt.h -- a conversation as the text that asks a model for its next turn.
#pragma once
#include <string>

#include "pipeline/tasks.h"

namespace mop {

/// The job's messages, or its system text and its prompt as the user's message, through the model's
/// chat template, with what asks the assistant to speak. Throws Error(kUsage) when the model has no
/// template, Error(kBadInput) for a file that holds no conversation.
std::string chat_prompt(const GenerateJob& job);

}  // namespace mop
