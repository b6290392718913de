// eval/tasks/message.h -- a question as a user's message to a model with a chat template.
#pragma once
#include "eval/tasks/task.h"
#include "text/chat_template.h"

namespace mop {

/// Contexts become the conversations that ask for an answer, continuations the answers as the
/// template writes them behind that, up to their last letter. Throws Error(kBadInput) when the
/// template writes what comes before an answer otherwise where the answer is known.
void write_as_message(TaskItem& item, const ChatTemplate& chat);

}  // namespace mop
