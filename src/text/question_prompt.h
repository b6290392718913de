// text/question_prompt.h -- formats a ScienceQA record: a question with lettered choices.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"

namespace mop {

/// Returns "Question: ..\nOptions: (A) .. (B) ..\nAnswer:" after the placeholders of the record's
/// pictures. Throws Error(kBadInput) naming `where` unless the choices are a list of up to 26
/// strings.
std::string question_prompt(const Json& record, std::string_view where);

}  // namespace mop
