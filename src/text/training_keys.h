// text/training_keys.h -- how each key of training records and of their messages is handled.
#pragma once
#include <string>

#include "base/key_fates.h"

namespace mop {

/// Keys of a record, in the forms of OpenAI, ShareGPT, LLaMA-Factory, Alpaca and TRL.
const FormatKeys& record_keys();
/// Keys of a message; other keys are passed to the chat template too.
const FormatKeys& message_keys();

/// Throws Error(kBadInput) naming `where` and the first key that is to be refused and whose value
/// is not empty.
void refuse_keys(const Json& object, const FormatKeys& format, const std::string& where);

/// Whether `value` is a string without characters.
bool is_empty_text(const Json& value);

}  // namespace mop
