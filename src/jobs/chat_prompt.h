// jobs/chat_prompt.h -- renders a conversation as a prompt for the assistant's next turn.
#pragma once
#include <string>

#include "jobs/tasks.h"

namespace mop {

/// Applies the model's chat template, with generation prompt, to the job's messages, or to its
/// system text and prompt as the user's message. Throws Error(kUsage) if the model has no template,
/// Error(kBadInput) for a file without a conversation.
std::string chat_prompt(const GenerateJob& job);

}  // namespace mop
