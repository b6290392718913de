// eval/tasks/message.h -- formats a question as a user's message by the model's chat template.
#pragma once
#include "eval/tasks/task.h"
#include "text/chat_template.h"

namespace mop {

/// Replaces contexts by conversations that end in the prompt for an answer, and continuations by
/// the answers as the template renders them, up to their last letter. Throws Error(kBadInput) when
/// the template renders the text before the answer differently once the answer is known.
void write_as_message(TaskItem& item, const ChatTemplate& chat);

}  // namespace mop
